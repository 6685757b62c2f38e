// Cross-entropy of each row of logits x with its class t, q = (1 - smoothing) * one_hot(t) +
// smoothing / columns:
//   loss = -sum(q * log_softmax(x))
//        = log(1 + rest) + (1 - smoothing) * (top - x[t]) + smoothing * mean(top - x)
// 0 where t is `ignore`. A class outside the columns is reported as a fault: its row, and itself.

struct Params {
  rows: u32, columns: u32, x_offset: u32, t_offset: u32,
  ignore: i32, smoothing: f32, none: f32,
}

@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> fault: array<atomic<u32>, 4>;
@group(0) @binding(4) var<uniform> params: Params;

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

  var mine = no_softs();
  // The distances of the numbers so far from the largest of their column
  var below = vec4<f32>(0.0);
  var seen = vec4<f32>(0.0);
  for (var i = lane; i < vectors; i += LANES) {
    let v = select(vec4<f32>(params.none), fetch_x(base, i), in_row(i));
    let before = mine.top;
    mine = soft_add(mine, v);
    if (SMOOTHING) {
      below += select(vec4<f32>(0.0), mine.top - v, in_row(i)) + raised(seen, before, mine.top);
      seen += select(vec4<f32>(0.0), vec4<f32>(1.0), in_row(i));
    }
  }
  let all = soft_spread(local, mine);
  var mean = 0.0;
  if (SMOOTHING) {
    below += raised(seen, mine.top, vec4<f32>(all.top));
    mean = spread_sum(local, sum4(below)) / f32(params.columns);
  }

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
