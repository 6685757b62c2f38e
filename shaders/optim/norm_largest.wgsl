// The largest magnitude.

@group(0) @binding(2) var<uniform> params: Params;

fn add(s: ptr<function, Sums>, a: vec4<f32>) {
    // The bits of floats that are not negative are in their order, with NaN above infinity.
    (*s).largest = max((*s).largest, bitcast<vec4<u32>>(a));
}
