// The positions of the elements that a mask selects, from the numbers of those up to each element.

struct Params { size: u32 }

@group(0) @binding(0) var<storage, read> numbers: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.size; i += groups.x * 256u) {
    let number = numbers[i];
    let before = select(0u, numbers[max(i, 1u) - 1u], i > 0u);
    if (number > before) { output[before] = i; }
  }
}
