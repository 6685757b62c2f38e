// The mean of losses over the rows whose class is not `ignore`, and the weight of a row in it:
//   result = (sum(loss) / kept, 1 / kept)
// One workgroup; the losses of ignored rows are 0. Sums run over a fixed tree.

struct Params {
  rows: u32, l_offset: u32, t_offset: u32, ignore: i32,
}

@group(0) @binding(0) var<storage, read> loss: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> sums: array<vec2<f32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
  var mine = vec2<f32>(0.0);
  for (var row = local; row < params.rows; row += 256u) {
    let kept = targets[params.t_offset + row] != params.ignore;
    mine += vec2<f32>(loss[params.l_offset + row], select(0.0, 1.0, kept));
  }
  sums[local] = mine;
  for (var width = 128u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (local < width) { sums[local] += sums[local + width]; }
  }
  if (local == 0u) {
    let weight = 1.0 / sums[0].y;
    result[0] = sums[0].x / sums[0].y;
    result[1] = weight;
  }
}
