// Adafactor: sums of squares of 256 columns over a block of rows, one thread a column.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>,
        @builtin(local_invocation_index) thread: u32,
        @builtin(num_workgroups) groups: vec3<u32>) {
    for (var k = params.first + group.x; k < params.last; k += groups.x) {
        let block = blocks[k];
        let matrix = matrices[block.x];
        let column = block.z + thread;
        var sum = 0.0;
        if (column < matrix.columns) {
            let end = min(block.y + ROWS, matrix.rows);
            for (var row = block.y; row < end; row++) {
                let g = element(matrix.start + row * matrix.columns + column + params.shift);
                sum += g * g;
            }
        }
        partials[block.w * 256u + thread] = sum;
    }
}
