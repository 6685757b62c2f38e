// Gradient of the cross-entropy of each row with respect to its logits x:
//   dx = g * (softmax(x) - q),   q = (1 - smoothing) * one_hot(t) + smoothing / columns
// 0 where the class t is `ignore`.
//
// CACHED: CACHE vectors of a row stay in the registers of each of its LANES invocations.

struct Params {
  rows: u32, columns: u32, x_offset: u32, t_offset: u32, g_offset: u32, g_step: u32,
  ignore: i32, smoothing: f32, none: f32,
}

@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read> gradients: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn fetch(base: u32, i: u32) -> vec4<f32> {
  return select(vec4<f32>(params.none), fetch_x(base, i), in_row(i));
}

fn result(x: vec4<f32>, i: u32, t: i32, all: Soft, one: f32) -> vec4<f32> {
  let p = decay(x - vec4<f32>(all.top)) * one;
  let columns = vec4<i32>(i32(4u * i)) + vec4<i32>(0, 1, 2, 3);
  // 1 - p of the largest, which would lose its digits where p is nearly 1
  let less_1 = select(p - 1.0, vec4<f32>(-all.rest * one), x == vec4<f32>(all.top));
  let difference = select(p, less_1 + params.smoothing, columns == vec4<i32>(t));
  return difference - vec4<f32>(params.smoothing / f32(params.columns));
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % LANES;
  let row = (group.y * groups.x + group.x) * (256u / LANES) + local / LANES;
  let vectors = select(0u, (params.columns + 3u) / 4u, row < params.rows);
  let base = params.x_offset + row * params.columns;

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
    }
    all = soft_sum(local, top.x, parts, times);
  } else {
    var mine = no_softs();
    for (var i = lane; i < vectors; i += LANES) { mine = soft_add(mine, fetch(base, i)); }
    all = soft_spread(local, mine);
  }
  if (row >= params.rows) { return; }

  let t = targets[params.t_offset + row];
  let counts = t != params.ignore;
  let g = gradients[params.g_offset + row * params.g_step];
  let one = 1.0 / (1.0 + all.rest);
  if (CACHED) {
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let i = lane + c * LANES;
      if (i < vectors) {
        store_row(row, i, select(vec4<f32>(0.0), g * result(cached[c], i, t, all, one), counts));
      }
    }
  } else {
    for (var i = lane; i < vectors; i += LANES) {
      let x = fetch(base, i);
      store_row(row, i, select(vec4<f32>(0.0), g * result(x, i, t, all, one), counts));
    }
  }
}
