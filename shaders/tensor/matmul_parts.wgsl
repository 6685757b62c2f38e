// Adds the parts of a matrix product that was split over k, in order, and the bias:
//   c[e] = sum over s of parts[s * size + e] (+ bias[e % n]),   e = 0 .. size - 1
//
// The prelude gives the alias T and the bindings parts, (bias), c with `bias_of(e)`.

struct Params { size: u32, splits: u32, n: u32, c_offset: u32, bias_offset: u32 }

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.size; e += groups.x * 256u) {
    var sum = bias_of(e);
    for (var s = 0u; s < params.splits; s++) { sum += parts[s * params.size + e]; }
    c[params.c_offset + e] = sum;
  }
}
