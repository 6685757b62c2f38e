// output[i] = i.

struct Params { size: u32 }

@group(0) @binding(0) var<storage, read_write> output: array<vec4<u32>>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < (params.size + 3u) / 4u; i += groups.x * 256u) {
    output[i] = vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u);
  }
}
