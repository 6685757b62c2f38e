// Reduction along an axis, LANES invocations a row; rows = outer * inner, in any layout:
//   output[out_offset + split * rows + o * inner + i] =
//     combine over r of input[offset + o * outer_step + i * inner_step + r * step]
// where split is a part of `split_length` elements of the row, in a fixed tree.
//
// The prelude gives the alias T, `combine` and the loads `load_input_vector(i)` (VECTORS: step is 1 and
// every row starts on a vector) or `load_input_element(e)`.

struct Params {
  rows: u32, inner: u32, length: u32, split_length: u32,
  outer_step: u32, inner_step: u32, step: u32, offset: u32, out_offset: u32,
  count: f32,     // what a mean divides by
  identity: T,
}

@group(0) @binding(1) var<storage, read_write> output: array<T>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> scratch: array<T, 256>;

fn combine_pair(a: T, b: T) -> T { return combine(vec4<T>(a), vec4<T>(b)).x; }

// Elements from .. to - 1 of the row at `base`, one invocation's share.
fn gather(base: u32, lane: u32, start: u32, end: u32) -> vec4<T> {
  let none = vec4<T>(params.identity);
  var s0 = none;
  var s1 = none;
  var s2 = none;
  var s3 = none;
  if (VECTORS) {
    let first = base / 4u;
    var i = start / 4u + lane;
    for (; i + 3u * LANES < end / 4u; i += 4u * LANES) {
      s0 = combine(s0, load_input_vector(first + i));
      s1 = combine(s1, load_input_vector(first + i + LANES));
      s2 = combine(s2, load_input_vector(first + i + 2u * LANES));
      s3 = combine(s3, load_input_vector(first + i + 3u * LANES));
    }
    for (; i < end / 4u; i += LANES) { s0 = combine(s0, load_input_vector(first + i)); }
  } else {
    var r = start + lane;
    for (; r + 3u * LANES < end; r += 4u * LANES) {
      let at = base + r * params.step;
      let jump = LANES * params.step;
      s0 = combine(s0, vec4<T>(
        load_input_element(at), load_input_element(at + jump),
        load_input_element(at + 2u * jump), load_input_element(at + 3u * jump)));
    }
    for (; r < end; r += LANES) {
      s1 = combine(s1, vec4<T>(load_input_element(base + r * params.step), none.yzw));
    }
  }
  return combine(combine(s0, s1), combine(s2, s3));
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
  let start = group.z * params.split_length;
  let end = select(start, min(start + params.split_length, params.length), inside);
  let base = params.offset
    + row / params.inner * params.outer_step + row % params.inner * params.inner_step;

  let sums = gather(base, lane, start, end);
  let pairs = combine(sums, sums.zwxy);
  scratch[local] = combine_pair(pairs.x, pairs.y);
  workgroupBarrier();
  for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
    if (lane < reach) { scratch[local] = combine_pair(scratch[local], scratch[local + reach]); }
    workgroupBarrier();
  }
  if (inside && lane == 0u) {
    output[params.out_offset + group.z * params.rows + row] = finish(scratch[local]);
  }
}
