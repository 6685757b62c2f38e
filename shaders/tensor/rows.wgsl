// What the row kernels share: LANES invocations a row, and numbers spread among them.
//
// Put in front of softmax.wgsl and the others. 256 / LANES rows a workgroup; a row is `columns`
// elements, read as vectors of 4 of which the last may be short: what a fetch gives past the end
// has to be masked by `in_row`.

var<workgroup> scratch: array<f32, 256>;

fn spread_sum(local: u32, value: f32) -> f32 {
  let lane = local % LANES;
  scratch[local] = value;
  workgroupBarrier();
  for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
    if (lane < reach) { scratch[local] += scratch[local + reach]; }
    workgroupBarrier();
  }
  let result = scratch[local - lane];
  workgroupBarrier();
  return result;
}

fn sum4(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }

// Which of the 4 elements of vector i are in the row.
fn in_row(i: u32) -> vec4<bool> {
  return vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.columns);
}
