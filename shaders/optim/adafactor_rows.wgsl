// Adafactor: the moving mean of squares of each row. A workgroup takes eight rows, 32 threads each.

var<workgroup> shared_sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>,
        @builtin(local_invocation_index) thread: u32,
        @builtin(num_workgroups) groups: vec3<u32>) {
    if (skipped()) { return; }
    let lane = thread % 32u;
    for (var k = params.first + group.x; k < params.last; k += groups.x) {
        let block = blocks[k];
        let matrix = matrices[block.x];
        let row = block.y + thread / 32u;
        var sum = 0.0;
        if (row < matrix.rows) {
            let start = matrix.start + row * matrix.columns + params.shift;
            for (var c = lane; c < matrix.columns; c += 32u) {
                let g = element(start + c);
                sum += g * g;
            }
        }
        workgroupBarrier();
        shared_sums[thread] = sum;
        for (var half = 16u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if (lane < half) {
                shared_sums[thread] += shared_sums[thread + half];
            }
        }
        if (lane == 0u && row < matrix.rows) {
            let h = table[matrix.group];
            let mean = shared_sums[thread] * scale() * scale() / f32(matrix.columns);
            let at = matrix.row_at + row;
            factors[at] += new_share(h, step_of(h)) * (mean - factors[at]);
        }
    }
}
