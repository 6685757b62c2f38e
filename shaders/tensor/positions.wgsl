// Where an index into an array of shape (outer, length, inner) points, in row-major order:
//   output[o, j, i] = (o * length + index[o, j, i]) * inner + i
// ADDS: outer and inner are 1, and before[j] * length is added, if it is not negative.
// A negative index counts from the end. One outside of [lowest, length) is reported as a fault with
// the code of its message: itself, and the length; its position is -1.

struct Params {
  size: u32, count: u32, inner: u32, length: u32,
  offset: u32, outer_step: u32, step: u32, inner_step: u32,  // of the index
  before_offset: u32, lowest: i32, code: u32,
}

@group(0) @binding(0) var<storage, read> index: array<i32>;
@group(0) @binding(1) var<storage, read> before: array<i32>;
@group(0) @binding(2) var<storage, read_write> output: array<i32>;
@group(0) @binding(3) var<storage, read_write> fault: array<atomic<u32>, 4>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.size; e += groups.x * 256u) {
    let i = e % params.inner;
    let j = e / params.inner % params.count;
    let o = e / params.inner / params.count;
    let given = index[params.offset + o * params.outer_step + j * params.step + i * params.inner_step];
    let length = i32(params.length);
    if (given < params.lowest || given >= length) {
      output[e] = -1;
      if (atomicCompareExchangeWeak(&fault[0], 0u, params.code).exchanged) {
        atomicStore(&fault[1], bitcast<u32>(given));
        atomicStore(&fault[2], params.length);
      }
    } else {
      let row = select(given, given + length, given < 0);
      var line = i32(o);
      if (ADDS) { line = before[params.before_offset + e]; }
      output[e] = select((line * length + row) * i32(params.inner) + i32(i), -1, line < 0);
    }
  }
}
