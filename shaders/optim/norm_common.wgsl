// What both kernels of a norm share.

// Two partial results as one: three sums, and the larger of two magnitudes by their bits.
fn join(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let most = max(bitcast<u32>(a.w), bitcast<u32>(b.w));
    return vec4<f32>(a.xyz + b.xyz, bitcast<f32>(most));
}
