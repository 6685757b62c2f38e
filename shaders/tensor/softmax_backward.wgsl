// Gradient of softmax from its output y:  dx = y * (g - sum(g * y)),
// of its logarithm (LOG):                 dx = g - exp(y) * sum(g).

struct Params { rows: u32, columns: u32, y_offset: u32, g_offset: u32 }

@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % LANES;
  let row = (group.y * groups.x + group.x) * (256u / LANES) + local / LANES;
  let vectors = select(0u, (params.columns + 3u) / 4u, row < params.rows);
  let y_base = params.y_offset + row * params.columns;
  let g_base = params.g_offset + row * params.columns;

  var dots = vec4<f32>(0.0);
  for (var i = lane; i < vectors; i += LANES) {
    let g = select(vec4<f32>(0.0), fetch_g(g_base, i), in_row(i));
    dots += select(g * fetch_y(y_base, i), g, LOG);
  }
  let dot = spread_sum(local, sum4(dots));
  for (var i = lane; i < vectors; i += LANES) {
    let g = fetch_g(g_base, i);
    let s = fetch_y(y_base, i);
    store_row(row, i, select(s * (g - vec4<f32>(dot)), g - exp(s) * dot, LOG));
  }
}
