// Adafactor: the moving means of a matrix's rows, or of its columns, from the partial sums of its
// blocks; and what the new means of each workgroup add up to.
// A block is factor, first element, number of elements, place of their sum in `partials`.

struct Factor {
    at: u32,        // in `factors`
    length: u32,
    first: u32,     // of its partial sums, `count` times `length` of them
    count: u32,
    over: u32,      // elements that each mean is taken over
    group: u32,
    slot: u32,
}

var<workgroup> shared_sums: array<f32, 256>;

// The share of the newest squares in a moving average, 1 - β.
fn new_share(h: Row, t: f32) -> f32 {
    return pow(t, h.beta2_decay);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>,
        @builtin(local_invocation_index) thread: u32,
        @builtin(num_workgroups) groups: vec3<u32>) {
    if (skipped()) { return; }
    for (var k = params.first + group.x; k < params.last; k += groups.x) {
        let block = blocks[k];
        let factor = joined[block.x];
        let width = block.z;
        let i = block.y + thread % width;
        var sum = 0.0;
        if (i < factor.length) {
            for (var j = thread / width; j < factor.count; j += 256u / width) {
                sum += partials[factor.first + j * factor.length + i];
            }
        }
        workgroupBarrier();
        shared_sums[thread] = sum;
        for (var half = 128u; half >= width; half /= 2u) {
            workgroupBarrier();
            if (thread < half) {
                shared_sums[thread] += shared_sums[thread + half];
            }
        }
        var mean = 0.0;
        if (thread < width && i < factor.length) {
            let h = row_of(factor.group, factor.slot);
            let newest = shared_sums[thread] / f32(factor.over);
            mean = factors[factor.at + i];
            mean += new_share(h, h.step) * (newest - mean);
            factors[factor.at + i] = mean;
        }
        let total = sum_workgroup(vec2<f32>(mean, 0.0), thread).x;
        if (thread == 0u) {
            partials[block.w] = total;
        }
    }
}
