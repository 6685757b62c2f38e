// What the kernels of a norm share.

const UP: f32 = 1.2379400392853803e27;      // 2^90
const DOWN: f32 = 8.077935669463161e-28;    // 2^-90

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

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

// The inverse of a power of two.
fn inverse(power: f32) -> f32 {
    return bitcast<f32>(0x7f000000u - bitcast<u32>(power));
}

// The largest power of two that is not above a positive number, if that has an inverse.
fn power_of_two(x: f32) -> f32 {
    return bitcast<f32>(clamp(bitcast<u32>(x) >> 23u, 1u, 253u) << 23u);
}
