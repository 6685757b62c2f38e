// What both kernels of a norm share.

var<workgroup> shared_sums: array<vec4<f32>, 256>;

// Two partial results as one: three sums, and the larger of two magnitudes by their bits.
fn join(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let most = max(bitcast<u32>(a.w), bitcast<u32>(b.w));
    return vec4<f32>(a.xyz + b.xyz, bitcast<f32>(most));
}

// The partial results of a workgroup's threads as one, by a fixed tree; thread 0 has the result.
fn join_workgroup(value: vec4<f32>, thread: u32) -> vec4<f32> {
    var mine = value;
    shared_sums[thread] = mine;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            mine = join(mine, shared_sums[thread + half]);
            shared_sums[thread] = mine;
        }
    }
    return mine;
}
