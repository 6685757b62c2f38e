// The elementwise family: output[e] = f(inputs at e) for e = 0 .. size - 1, 4 elements at a time.
//
// The generated prelude declares the bindings and
//   run(i)  computes elements 4*i .. 4*i + 3, from load functions and expressions, and stores them
// Any number of elements: the grid strides over them.

const WORKGROUP = 256u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let vectors = (params.size + 3u) / 4u;
  for (var i = id.x; i < vectors; i += groups.x * WORKGROUP) {
    run(i);
  }
}
