// Convolutions of groups that are too small for matrix products, as in depthwise ones; with convolution.wgsl
// and its params. Without FOR_WEIGHT an invocation makes one element of the result; with it a workgroup
// makes one element of the weight's gradient, its invocations each every 256th pixel.
//
// The prelude gives a_element(e), b_element(e), bias_of_row(tile, m), the binding c and params; the
// weight lies along k with A_ALONG_K, else across it.

struct Tile { c_base: u32, batch: u32 }

var<workgroup> sums: array<f32, 256>;

fn inside(h: u32, w: u32) -> bool {
  return !B_BOUNDED || (h < params.height && w < params.width);
}

fn element(e: u32) {
  let channels = params.m * params.batches;
  let channel = e / params.pixels % channels;
  let group = channel / params.m;
  let m = channel % params.m;
  let n = e / params.pixels / channels * params.pixels + e % params.pixels;
  let at = pixel(n);
  let base = params.b_offset + group * params.b_batch + at.offset;
  let weight = params.a_offset + group * params.a_batch + m * select(1u, params.a_step, A_ALONG_K);
  let step = select(params.a_step, 1u, A_ALONG_K);
  var sum = 0.0;
  for (var k = 0u; k < params.k; k += TAPS) {
    for (var t = 0u; t < TAPS; t++) {
      let point = tap(k + t);
      if (inside(at.h + point.h, at.w + point.w)) {
        sum = fma(a_element(weight + (k + t) * step), b_element(base + point.offset), sum);
      }
    }
  }
  let tile = Tile(c_start(0u, group), group);
  c[c_place(tile, m, n)] = sum + bias_of_row(tile, m);
}

fn weight_element(e: u32, local: u32) {
  let n = e % params.n;
  let m = e / params.n % params.m;
  let group = e / params.n / params.m;
  let point = tap(n);
  let base = params.b_offset + group * params.b_batch + point.offset;
  let gradient = params.a_offset + group * params.a_batch + m * params.pixels;
  var sum = 0.0;
  for (var k = local; k < params.k; k += 256u) {
    let at = pixel(k);
    if (inside(at.h + point.h, at.w + point.w)) {
      sum = fma(a_element(gradient + a_k_point(k).offset), b_element(base + at.offset), sum);
    }
  }
  sums[local] = sum;
  for (var half = 128u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) { sums[local] += sums[local + half]; }
  }
  if (local == 0u) { c[params.c_offset + e] = sums[0]; }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (FOR_WEIGHT) {
    if (number < params.m * params.n * params.batches) { weight_element(number, local); }
  } else {
    let e = number * 256u + local;
    if (e < params.n * params.m * params.batches) { element(e); }
  }
}
