// Gradient of the cross-entropy of each row with respect to its logits x:
//   dx = g * (softmax(x) - q),   q = (1 - smoothing) * one_hot(t) + smoothing / columns
// 0 where the class t is `ignore`.

struct Params {
  rows: u32, columns: u32, x_offset: u32, t_offset: u32, g_offset: u32, g_step: u32,
  ignore: i32, smoothing: f32, none: f32,
}

@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read> gradients: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

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

  var mine = no_softs();
  for (var i = lane; i < vectors; i += LANES) {
    mine = soft_add(mine, select(vec4<f32>(params.none), fetch_x(base, i), in_row(i)));
  }
  let all = soft_spread(local, mine);
  if (row >= params.rows) { return; }

  let t = targets[params.t_offset + row];
  let counts = t != params.ignore;
  let g = gradients[params.g_offset + row * params.g_step];
  let share = params.smoothing / f32(params.columns);
  // 1 - p of the largest, which would lose its digits where p is nearly 1
  let one = 1.0 / (1.0 + all.rest);
  let others = all.rest * one;
  for (var i = lane; i < vectors; i += LANES) {
    let x = fetch_x(base, i);
    let p = decay(x - vec4<f32>(all.top)) * one;
    let columns = vec4<i32>(i32(4u * i)) + vec4<i32>(0, 1, 2, 3);
    let less_1 = select(p - 1.0, vec4<f32>(-others), x == vec4<f32>(all.top));
    let difference = select(p, less_1 + params.smoothing, columns == vec4<i32>(t));
    store_row(row, i, select(vec4<f32>(0.0), g * (difference - vec4<f32>(share)), counts));
  }
}
