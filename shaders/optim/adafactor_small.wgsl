// Adafactor: the moving means of rows and columns of small matrices, a thread a matrix.
// A block is stack, first matrix. `Word` is vec4<f32>, or vec2<u32> for four float16.

// Matrices of one parameter, and where their factors lie.
struct Stack {
    start: u32,
    count: u32,
    rows: u32,
    columns: u32,
    row_at: u32,
    column_at: u32,
    mean_at: u32,
    group: u32,
    slot: u32,
}

fn square(i: u32) -> f32 {
    let g = unpack(grads[i / 4u + params.shift])[i % 4u] * scale();
    return g * g;
}

// A factor after it has moved towards a mean of squares, given their sum.
fn move_factor(h: Row, at: u32, sum: f32, over: u32) -> f32 {
    let newest = sum / f32(over);
    factors[at] += pow(h.step, h.beta2_decay) * (newest - factors[at]);
    return factors[at];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>,
        @builtin(local_invocation_index) thread: u32,
        @builtin(num_workgroups) groups: vec3<u32>) {
    if (skipped()) { return; }
    for (var k = params.first + group.x; k < params.last; k += groups.x) {
        let stack = stacks[blocks[k].x];
        let matrix = blocks[k].y + thread;
        if (matrix >= stack.count) { continue; }
        let h = row_of(stack.group, stack.slot);
        let start = stack.start + matrix * stack.rows * stack.columns;
        var total = 0.0;
        for (var row = 0u; row < stack.rows; row++) {
            var sum = 0.0;
            for (var column = 0u; column < stack.columns; column++) {
                sum += square(start + row * stack.columns + column);
            }
            total += move_factor(h, stack.row_at + matrix * stack.rows + row, sum, stack.columns);
        }
        factors[stack.mean_at + matrix] = total / f32(stack.rows);
        for (var column = 0u; column < stack.columns; column++) {
            var sum = 0.0;
            for (var row = 0u; row < stack.rows; row++) {
                sum += square(start + row * stack.columns + column);
            }
            let at = stack.column_at + matrix * stack.columns + column;
            move_factor(h, at, sum, stack.rows);
        }
    }
}
