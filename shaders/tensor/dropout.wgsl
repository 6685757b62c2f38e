// y = a * scale where a uniform draw is at least p, else 0. Element i takes number i of random.wgsl
// under the same state; the prelude gives the loads of a, the store, and what is in threefry.wgsl.

struct Params { size: u32, state_offset: u32, a_offset: u32, p: f32, scale: f32 }

@group(0) @binding(1) var<storage, read> state: array<u32>;  // key, key, position
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let at = params.state_offset;
  let key = vec2<u32>(state[at], state[at + 1u]);
  for (var i = id.x; i < (params.size + 3u) / 4u; i += groups.x * 256u) {
    let u = unit(random_words(i, state[at + 2u], key));
    let a = a_vector(params.a_offset / 4u + i);
    y_store(i, select(vec4<f32>(0.0), a * params.scale, u >= vec4<f32>(params.p)));
  }
}
