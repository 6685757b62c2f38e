// Fills 32-bit words with one value; elements of 1 or 2 bytes come as a word that repeats them.

struct Params {
    words: u32,
    value: u32,
}

@group(0) @binding(0) var<storage, read_write> target_words: array<vec4<u32>>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let vectors = (params.words + 3u) / 4u;
    for (var i = id.x; i < vectors; i += groups.x * 256u) {
        target_words[i] = vec4<u32>(params.value);
    }
}
