// Adafactor: the moving mean of squares of each column, from sums over blocks of rows, and the mean
// over a matrix's rows, once for each matrix.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>,
        @builtin(local_invocation_index) thread: u32,
        @builtin(num_workgroups) groups: vec3<u32>) {
    if (skipped()) { return; }
    for (var k = params.first + group.x; k < params.last; k += groups.x) {
        let strip = blocks[k];
        let matrix = matrices[strip.x];
        let column = strip.y + thread;
        if (column < matrix.columns) {
            var sum = 0.0;
            for (var j = 0u; j < strip.w; j++) {
                sum += partials[(strip.z + j) * 256u + thread];
            }
            let h = table[matrix.group];
            let mean = sum * scale() * scale() / f32(matrix.rows);
            let at = matrix.column_at + column;
            factors[at] += new_share(h, step_of(h)) * (mean - factors[at]);
        }
        if (strip.y == 0u) {
            var mine = 0.0;
            for (var row = thread; row < matrix.rows; row += 256u) {
                mine += factors[matrix.row_at + row];
            }
            let sum = sum_workgroup(vec2<f32>(mine, 0.0), thread).x;
            if (thread == 0u) {
                factors[matrix.mean_at] = sum / f32(matrix.rows);
            }
        }
    }
}
