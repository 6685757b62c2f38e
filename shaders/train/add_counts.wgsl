// total += count for each count, in two words: the lower one stays below 2^30, and what exceeds it
// is carried into the higher one.

struct Params { size: u32, count_offset: u32, word_offset: u32 }

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

const LOW = 0x3fffffffu;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var k = id.x; k < params.size; k += groups.x * 64u) {
    let at = params.word_offset + 2u * k;
    let total = words[at] + counts[params.count_offset + k];
    words[at] = total & LOW;
    words[at + 1u] += total >> 30u;
  }
}
