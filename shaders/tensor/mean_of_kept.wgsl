// The mean of losses over the rows whose class is not `ignore`, and the weight of a row in it:
//   result = (sum(loss) / kept, 1 / kept)
// One workgroup; the losses of ignored rows are 0. Sums run over a fixed tree: of 64 rows at first,
// so that the error does not grow with the rows.

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
  var row = local;
  while (row < params.rows) {
    var several = vec2<f32>(0.0);
    for (var k = 0u; k < 64u && row < params.rows; k++) {
      let kept = targets[params.t_offset + row] != params.ignore;
      several += vec2<f32>(loss[params.l_offset + row], select(0.0, 1.0, kept));
      row += 256u;
    }
    mine += several;
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
