// Adds the parts of a matrix product that was split over k, in order, and the bias:
//   c[e] = sum over s of parts[s * size + e] (+ bias[e / bias_step % n]),   e = 0 .. size - 1
// 4 parts are loaded at a time, since a load takes as long as hundreds of additions.
//
// The prelude gives the alias T and the bindings parts, (bias), c with `bias_of(e)`.

struct Params { size: u32, splits: u32, n: u32, c_offset: u32, bias_offset: u32, bias_step: u32 }

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.size; e += groups.x * 256u) {
    var sum = bias_of(e);
    var s = 0u;
    for (; s + 4u <= params.splits; s += 4u) {
      let p0 = parts[s * params.size + e];
      let p1 = parts[(s + 1u) * params.size + e];
      let p2 = parts[(s + 2u) * params.size + e];
      let p3 = parts[(s + 3u) * params.size + e];
      sum = sum + p0 + p1 + p2 + p3;
    }
    for (; s < params.splits; s++) { sum += parts[s * params.size + e]; }
    c[params.c_offset + e] = sum;
  }
}
