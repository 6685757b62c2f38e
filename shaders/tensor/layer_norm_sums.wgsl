// Gradients of a layer norm's weight and bias, sums down the columns of two matrices at once:
//   output[weight_offset + split * 2 * columns + c] = sum over r of terms(r, c).weight
//   output[bias_offset + split * 2 * columns + c] = sum over r of terms(r, c).bias
// where split is a part of `share` rows, in a fixed tree. Unless BIAS, only the first is written.
//
// A workgroup takes a strip of 32 columns: 8 invocations side by side, 32 rows at a time. The prelude
// gives the bindings and `terms` of 4 columns, which are neighbours (VECTORS) or 8 apart.

struct Params {
  rows: u32, columns: u32, share: u32, strips: u32,
  x_offset: u32, g_offset: u32, weight_offset: u32, bias_offset: u32,
}

struct Terms { weight: vec4<f32>, bias: vec4<f32> }

const WIDTH = 8u;
const HEIGHT = 32u;

var<workgroup> scratch: array<Terms, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.strips) { return; }
  let x = local % WIDTH;
  let y = local / WIDTH;
  let strip = number * 4u * WIDTH;
  let side_by_side = vec4<u32>(strip + 4u * x) + vec4<u32>(0u, 1u, 2u, 3u);
  let spread = vec4<u32>(strip + x) + WIDTH * vec4<u32>(0u, 1u, 2u, 3u);
  let columns = select(spread, side_by_side, VECTORS);
  let inside = min(columns, vec4<u32>(params.columns - 1u));

  var sums = Terms(vec4<f32>(0.0), vec4<f32>(0.0));
  let start = group.z * params.share;
  let end = min(start + params.share, params.rows);
  for (var r = start + y; r < end; r += HEIGHT) {
    let more = terms(r, inside);
    sums.weight += more.weight;
    sums.bias += more.bias;
  }
  scratch[local] = sums;
  workgroupBarrier();
  for (var reach = HEIGHT / 2u; reach > 0u; reach /= 2u) {
    if (y < reach) {
      let mine = scratch[local];
      let other = scratch[local + reach * WIDTH];
      scratch[local] = Terms(mine.weight + other.weight, mine.bias + other.bias);
    }
    workgroupBarrier();
  }
  if (y == 0u) {
    let total = scratch[local];
    let at = group.z * 2u * params.columns;
    for (var j = 0u; j < 4u; j++) {
      if (columns[j] < params.columns) {
        output[params.weight_offset + at + columns[j]] = total.weight[j];
        if (BIAS) { output[params.bias_offset + at + columns[j]] = total.bias[j]; }
      }
    }
  }
}
