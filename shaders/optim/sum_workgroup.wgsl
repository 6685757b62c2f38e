// Sums over the 256 threads of a workgroup, by a fixed tree.

var<workgroup> shared_pairs: array<vec2<f32>, 256>;

fn sum4(x: vec4<f32>) -> f32 {
    return (x.x + x.y) + (x.z + x.w);
}

fn sum_workgroup(value: vec2<f32>, thread: u32) -> vec2<f32> {
    workgroupBarrier();
    shared_pairs[thread] = value;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            shared_pairs[thread] += shared_pairs[thread + half];
        }
    }
    workgroupBarrier();
    return shared_pairs[0];
}
