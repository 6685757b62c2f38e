// Who comes last among equal positions: marks[position] = max(j + 1) over their (o, j, i).
//
// The largest is the same whatever the order in which invocations run.

struct Params { size: u32, count: u32, inner: u32, length: u32 }

@group(0) @binding(0) var<storage, read> positions: array<i32>;
@group(0) @binding(1) var<storage, read_write> marks: array<atomic<u32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.size; e += groups.x * 256u) {
    let j = e / params.inner % params.count;
    if (positions[e] >= 0) { atomicMax(&marks[positions[e]], j + 1u); }
  }
}
