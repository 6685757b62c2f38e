// Each row centred and scaled to variance 1, times a weight, plus a bias:
//   y[c] = (x[c] - mean) * scale * weight[c] + bias[c],
//   scale = 1 / sqrt(mean((x - mean)^2) + eps),   moments[row] = (mean, scale)
// Unless CENTRED, the mean is taken for 0, as in an RMS norm. The prelude gives the inputs, the params,
// and 1 and 0 for weight and bias where there are none.
//
// CACHED: CACHE vectors of a row stay in the registers of each of its LANES invocations. Rows that
// do not fit are read three times.

struct Params {
  rows: u32, columns: u32, x_offset: u32, weight_offset: u32, bias_offset: u32, eps: f32,
}

@group(0) @binding(1) var<storage, read_write> moments: array<vec2<f32>>;

fn fetch(base: u32, i: u32) -> vec4<f32> {
  return select(vec4<f32>(0.0), fetch_x(base, i), in_row(i));
}

fn square(v: vec4<f32>, mean: f32, i: u32) -> vec4<f32> {
  let centred = select(vec4<f32>(0.0), v - vec4<f32>(mean), in_row(i));
  return centred * centred;
}

fn result(v: vec4<f32>, mean: f32, scale: f32, i: u32) -> vec4<f32> {
  return (v - vec4<f32>(mean)) * scale * fetch_weight(params.weight_offset, i)
    + fetch_bias(params.bias_offset, i);
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
  let count = f32(params.columns);

  var cached: array<vec4<f32>, CACHE>;
  var sums = vec4<f32>(0.0);
  if (CACHED) {
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let i = lane + c * LANES;
      if (i < vectors) { cached[c] = fetch(base, i); }
      sums += cached[c];
    }
  } else if (CENTRED) {
    for (var i = lane; i < vectors; i += LANES) { sums += fetch(base, i); }
  }
  var mean = 0.0;
  if (CENTRED) { mean = spread_sum(local, sum4(sums)) / count; }

  var squares = vec4<f32>(0.0);
  if (CACHED) {
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let i = lane + c * LANES;
      if (i < vectors) { squares += square(cached[c], mean, i); }
    }
  } else {
    for (var i = lane; i < vectors; i += LANES) { squares += square(fetch(base, i), mean, i); }
  }
  let scale = inverseSqrt(spread_sum(local, sum4(squares)) / count + params.eps);

  if (lane == 0u && row < params.rows) { moments[row] = vec2<f32>(mean, scale); }
  if (CACHED) {
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let i = lane + c * LANES;
      if (i < vectors) { store_row(row, i, result(cached[c], mean, scale, i)); }
    }
  } else {
    for (var i = lane; i < vectors; i += LANES) {
      store_row(row, i, result(fetch(base, i), mean, scale, i));
    }
  }
}
