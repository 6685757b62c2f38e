// The elements of planes at places of max pooling.
//
// The prelude gives x_element(e), places_element(e), output_store(e, v) and params.

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.count; e += groups.x * 256u) {
    let plane = params.offset + e / params.places * params.plane;
    output_store(e, x_element(plane + u32(places_element(params.places_offset + e))));
  }
}
