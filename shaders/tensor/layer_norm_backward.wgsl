// Gradient of a layer norm for its input x, of the gradient g of its result:
//   dx = scale * (w - mean(w) - n * mean(w * n)),   w = g * weight,   n = (x - mean) * scale
// without mean(w) unless CENTRED. The prelude gives the inputs and the params.
//
// CACHED: CACHE vectors of w and n stay in the registers of each of a row's LANES invocations.

struct Params {
  rows: u32, columns: u32, x_offset: u32, g_offset: u32, weight_offset: u32,
}

@group(0) @binding(2) var<storage, read> moments: array<vec2<f32>>;

fn weighted(base: u32, i: u32) -> vec4<f32> {
  let w = fetch_g(base, i) * fetch_weight(params.weight_offset, i);
  return select(vec4<f32>(0.0), w, in_row(i));
}

fn normal(base: u32, i: u32, moment: vec2<f32>) -> vec4<f32> {
  let n = (fetch_x(base, i) - vec4<f32>(moment.x)) * moment.y;
  return select(vec4<f32>(0.0), n, in_row(i));
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
  let x_base = params.x_offset + row * params.columns;
  let g_base = params.g_offset + row * params.columns;
  let moment = moments[min(row, params.rows - 1u)];

  var ws: array<vec4<f32>, CACHE>;
  var ns: array<vec4<f32>, CACHE>;
  var sums = vec4<f32>(0.0);
  var dots = vec4<f32>(0.0);
  if (CACHED) {
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let i = lane + c * LANES;
      if (i < vectors) {
        ws[c] = weighted(g_base, i);
        ns[c] = normal(x_base, i, moment);
        sums += ws[c];
        dots += ws[c] * ns[c];
      }
    }
  } else {
    for (var i = lane; i < vectors; i += LANES) {
      let w = weighted(g_base, i);
      sums += w;
      dots += w * normal(x_base, i, moment);
    }
  }
  let count = f32(params.columns);
  var mean = 0.0;
  if (CENTRED) { mean = spread_sum(local, sum4(sums)) / count; }
  let along = spread_sum(local, sum4(dots)) / count;

  if (CACHED) {
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let i = lane + c * LANES;
      if (i < vectors) { store_row(row, i, moment.y * (ws[c] - vec4<f32>(mean) - ns[c] * along)); }
    }
  } else {
    for (var i = lane; i < vectors; i += LANES) {
      let w = weighted(g_base, i) - vec4<f32>(mean);
      store_row(row, i, moment.y * (w - normal(x_base, i, moment) * along));
    }
  }
}
