// Gradient of softmax from its output y:  dx = y * (g - sum(g * y)),
// of its logarithm (LOG):                 dx = g - exp(y) * sum(g).
//
// CACHED: CACHE vectors of both stay in the registers of each of a row's LANES invocations.

struct Params { rows: u32, columns: u32, y_offset: u32, g_offset: u32 }

@group(0) @binding(3) var<uniform> params: Params;

fn term(y: vec4<f32>, g: vec4<f32>, i: u32) -> vec4<f32> {
  return select(vec4<f32>(0.0), select(g * y, g, LOG), in_row(i));
}

fn result(y: vec4<f32>, g: vec4<f32>, dot: f32) -> vec4<f32> {
  if (LOG) { return g - decay(y) * dot; }
  return y * (g - vec4<f32>(dot));
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
  let y_base = params.y_offset + row * params.columns;
  let g_base = params.g_offset + row * params.columns;

  var ys: array<vec4<f32>, CACHE>;
  var gs: array<vec4<f32>, CACHE>;
  var dots = vec4<f32>(0.0);
  if (CACHED) {
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let i = lane + c * LANES;
      if (i < vectors) {
        ys[c] = fetch_y(y_base, i);
        gs[c] = fetch_g(g_base, i);
        dots += term(ys[c], gs[c], i);
      }
    }
  } else {
    for (var i = lane; i < vectors; i += LANES) {
      dots += term(fetch_y(y_base, i), fetch_g(g_base, i), i);
    }
  }
  let dot = spread_sum(local, sum4(dots));

  if (CACHED) {
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let i = lane + c * LANES;
      if (i < vectors) { store_row(row, i, result(ys[c], gs[c], dot)); }
    }
  } else {
    for (var i = lane; i < vectors; i += LANES) {
      store_row(row, i, result(fetch_y(y_base, i), fetch_g(g_base, i), dot));
    }
  }
}
