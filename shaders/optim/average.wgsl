// An exponential moving average of a part of an arena: the formula of rumus.optim.WeightAverage.
// `Word` is vec4<f32>, or vec2<u32> for four float16; `first` is that of the part.

@group(0) @binding(0) var<storage, read> weights: array<Word>;
@group(0) @binding(1) var<storage, read_write> average: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> share: array<f32, 1>;
struct Params { first: u32, count: u32 }
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>,
        @builtin(num_workgroups) groups: vec3<u32>) {
    let moved = share[0];
    for (var i = id.x; i < params.count; i += groups.x * 256u) {
        average[i] += moved * (unpack(weights[params.first + i]) - average[i]);
    }
}
