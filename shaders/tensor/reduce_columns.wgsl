// Reduction along an axis where the elements of the axis after it are neighbours:
//   output[out_offset + (split * outer + o) * inner + i] =
//     combine over r of input[offset + o * outer_step + r * step + i]
// where split is a part of `split_length` values of r, in a fixed tree.
//
// A workgroup takes a strip of 4 * WIDTH columns: WIDTH invocations side by side, 256 / WIDTH rows
// at a time. The prelude gives the alias T, `combine` and the loads (VECTORS: every row of a strip
// starts on a vector; else an invocation's 4 columns are WIDTH apart).

struct Params {
  outer: u32, inner: u32, length: u32, split_length: u32,
  outer_step: u32, step: u32, offset: u32, out_offset: u32, strips: u32,
  count: f32,     // what a mean divides by
  identity: T,
}

@group(0) @binding(1) var<storage, read_write> output: array<T>;
@group(0) @binding(2) var<uniform> params: Params;

const HEIGHT = 256u / WIDTH;

var<workgroup> scratch: array<vec4<T>, 256>;

fn load_columns(base: u32, columns: vec4<u32>) -> vec4<T> {
  if (VECTORS) { return load_input_vector((base + columns.x) / 4u); }
  let at = vec4<u32>(base) + min(columns, vec4<u32>(params.inner - 1u));
  return vec4<T>(load_input_element(at.x), load_input_element(at.y), load_input_element(at.z), load_input_element(at.w));
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.outer * params.strips) { return; }
  let o = number / params.strips;
  let strip = number % params.strips * 4u * WIDTH;
  let x = local % WIDTH;
  let y = local / WIDTH;
  let side_by_side = vec4<u32>(strip + 4u * x) + vec4<u32>(0u, 1u, 2u, 3u);
  let spread = vec4<u32>(strip + x) + WIDTH * vec4<u32>(0u, 1u, 2u, 3u);
  let columns = select(spread, side_by_side, VECTORS);

  let start = group.z * params.split_length;
  let end = min(start + params.split_length, params.length);
  let base = params.offset + o * params.outer_step;
  let none = vec4<T>(params.identity);
  var s0 = none;
  var s1 = none;
  var s2 = none;
  var s3 = none;
  if (columns.x < params.inner) {
    var r = start + y;
    for (; r + 3u * HEIGHT < end; r += 4u * HEIGHT) {
      let at = base + r * params.step;
      let jump = HEIGHT * params.step;
      s0 = combine(s0, load_columns(at, columns));
      s1 = combine(s1, load_columns(at + jump, columns));
      s2 = combine(s2, load_columns(at + 2u * jump, columns));
      s3 = combine(s3, load_columns(at + 3u * jump, columns));
    }
    for (; r < end; r += HEIGHT) { s0 = combine(s0, load_columns(base + r * params.step, columns)); }
  }
  scratch[local] = combine(combine(s0, s1), combine(s2, s3));
  workgroupBarrier();
  for (var reach = HEIGHT / 2u; reach > 0u; reach /= 2u) {
    if (y < reach) { scratch[local] = combine(scratch[local], scratch[local + reach * WIDTH]); }
    workgroupBarrier();
  }
  if (y == 0u) {
    let at = params.out_offset + (group.z * params.outer + o) * params.inner;
    for (var j = 0u; j < 4u; j++) {
      if (columns[j] < params.inner) { output[at + columns[j]] = finish(scratch[local][j]); }
    }
  }
}
