// Cross-entropy of each row of logits x with its class t, q = (1 - smoothing) * one_hot(t) +
// smoothing / columns:
//   loss = -sum(q * log_softmax(x))
//        = log(1 + rest) + (1 - smoothing) * (top - x[t]) + smoothing * mean(top - x)
// CACHED: CACHE vectors of a row stay in the registers of each of its LANES invocations.
// 0 where t is `ignore`. A class outside the columns is reported as a fault: its row, and itself.

struct Params {
  rows: u32, columns: u32, x_offset: u32, t_offset: u32,
  ignore: i32, smoothing: f32, none: f32,
}

@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> fault: array<atomic<u32>, 4>;
@group(0) @binding(4) var<uniform> params: Params;

fn fetch(base: u32, i: u32) -> vec4<f32> {
  return select(vec4<f32>(params.none), fetch_x(base, i), in_row(i));
}

// By what distances grow when the largest becomes another; nothing where there was none.
fn raised(seen: vec4<f32>, before: vec4<f32>, now: vec4<f32>) -> vec4<f32> {
  return select(seen * (now - before), vec4<f32>(0.0), seen == vec4<f32>(0.0));
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % LANES;
  let row = (group.y * groups.x + group.x) * (256u / LANES) + local / LANES;
  let inside = row < params.rows;
  let vectors = select(0u, (params.columns + 3u) / 4u, inside);
  let base = params.x_offset + row * params.columns;

  // The distances of the numbers from the largest
  var below = vec4<f32>(0.0);
  var cached: array<vec4<f32>, CACHE>;
  var top = vec4<f32>(LOWEST);
  var all: Soft;
  if (CACHED) {
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let i = lane + c * LANES;
      cached[c] = vec4<f32>(params.none);
      if (i < vectors) { cached[c] = fetch(base, i); }
      top = max(top, cached[c]);
    }
    top = vec4<f32>(spread_max(local, max4(top)));
    var parts = vec4<f32>(0.0);
    var times = vec4<f32>(0.0);
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let part = decay(cached[c] - top);
      let at_top = cached[c] == top;
      parts += select(part, vec4<f32>(0.0), at_top);
      times += select(vec4<f32>(0.0), vec4<f32>(1.0), at_top);
      if (SMOOTHING) {
        let i = lane + c * LANES;
        if (i < vectors) { below += select(vec4<f32>(0.0), top - cached[c], in_row(i)); }
      }
    }
    all = soft_sum(local, top.x, parts, times);
  } else {
    var mine = no_softs();
    var seen = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += LANES) {
      let v = fetch(base, i);
      let before = mine.top;
      mine = soft_add(mine, v);
      if (SMOOTHING) {
        below += select(vec4<f32>(0.0), mine.top - v, in_row(i)) + raised(seen, before, mine.top);
        seen += select(vec4<f32>(0.0), vec4<f32>(1.0), in_row(i));
      }
    }
    all = soft_spread(local, mine);
    below += raised(seen, mine.top, vec4<f32>(all.top));
  }
  var mean = 0.0;
  if (SMOOTHING) { mean = spread_sum(local, sum4(below)) / f32(params.columns); }

  if (!inside || lane != 0u) { return; }
  let t = targets[params.t_offset + row];
  if (t == params.ignore) {
    loss[row] = 0.0;
  } else if (t < 0 || t >= i32(params.columns)) {
    loss[row] = 0.0;
    if (atomicCompareExchangeWeak(&fault[0], 0u, FAULT).exchanged) {
      atomicStore(&fault[1], row);
      atomicStore(&fault[2], bitcast<u32>(t));
    }
  } else {
    let scale = soft_log(all);
    loss[row] = (1.0 - params.smoothing) * (scale + (all.top - load_x_element(base + u32(t))));
    if (SMOOTHING) { loss[row] += params.smoothing * (scale + mean); }
  }
}
