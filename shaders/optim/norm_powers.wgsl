// Sums of powers of what is left of the elements when the largest one's power of two is taken out.

@group(0) @binding(2) var<storage, read> largest: array<f32, 4>;  // a control with the largest as norm
@group(0) @binding(3) var<uniform> params: Params;

fn add(s: ptr<function, Sums>, a: vec4<f32>) {
    let part = a * inverse(power_of_two(largest[2]));
    (*s).middle += select(pow(part, vec4<f32>(params.order)), part, params.order == 1.0);
}
