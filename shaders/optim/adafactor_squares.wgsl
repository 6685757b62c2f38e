// Adafactor: sums of squares along the rows and down the columns of a block of 64 × 256 elements,
// which is read once. A thread takes two quads of rows, of two vectors of columns each.
// A block is matrix, first row, first column.
// `Word` is vec4<f32>, or vec2<u32> for four float16.

struct Matrix { start: u32, rows: u32, columns: u32, across_at: u32, down_at: u32 }

const ONES = vec4<f32>(1.0, 1.0, 1.0, 1.0);
const NEXT = vec4<u32>(0u, 1u, 2u, 3u);

var<workgroup> shared_sums: array<vec4<f32>, 512>;

// Four neighbours from an element on, which need not be at the start of a word.
fn straddle(m: Matrix, at: u32) -> vec4<f32> {
    let end = m.start + m.rows * m.columns;
    let a = unpack(grads[at / 4u + params.shift]);
    let b = unpack(grads[min(at + 4u, end - 1u) / 4u + params.shift]);
    switch at % 4u {
        case 1u: { return vec4<f32>(a.yzw, b.x); }
        case 2u: { return vec4<f32>(a.zw, b.xy); }
        case 3u: { return vec4<f32>(a.w, b.xyz); }
        default: { return a; }
    }
}

// Four columns of four rows, a row in each vector of the result; some number outside the matrix.
fn four_rows(m: Matrix, row: u32, column: u32) -> mat4x4<f32> {
    let lines = m.start + min(row + NEXT, vec4<u32>(m.rows - 1u)) * m.columns;
    if (m.columns % 4u == 0u) {
        let i = (lines + min(column, m.columns - 4u)) / 4u + params.shift;
        return mat4x4<f32>(
            unpack(grads[i.x]), unpack(grads[i.y]), unpack(grads[i.z]), unpack(grads[i.w])
        );
    }
    let at = lines + min(column, m.columns - 1u);
    return mat4x4<f32>(
        straddle(m, at.x), straddle(m, at.y), straddle(m, at.z), straddle(m, at.w)
    );
}

fn squares(m: Matrix, row: u32, column: u32) -> mat4x4<f32> {
    let g = four_rows(m, row, column) * scale();
    let across = column + NEXT < vec4<u32>(m.columns);
    let down = row + NEXT < vec4<u32>(m.rows);
    return mat4x4<f32>(
        select(vec4<f32>(), g[0] * g[0], across & vec4<bool>(down.x)),
        select(vec4<f32>(), g[1] * g[1], across & vec4<bool>(down.y)),
        select(vec4<f32>(), g[2] * g[2], across & vec4<bool>(down.z)),
        select(vec4<f32>(), g[3] * g[3], across & vec4<bool>(down.w))
    );
}

// The sum of one of the 64 rows over 32 vectors; neighbouring quads begin apart, for the banks.
fn across(row: u32) -> f32 {
    let quad = row / 4u;
    var sum = 0.0;
    for (var i = 0u; i < 32u; i++) {
        sum += shared_sums[quad * 32u + (quad + i) % 32u][row % 4u];
    }
    return sum;
}

// The sum of one of the 256 columns over 8 vectors.
fn down(column: u32) -> f32 {
    let first = column / 128u * 256u + column / 4u % 32u;
    var sum = 0.0;
    for (var quad = 0u; quad < 8u; quad++) {
        sum += shared_sums[first + 32u * quad][column % 4u];
    }
    return sum;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>,
        @builtin(local_invocation_index) thread: u32,
        @builtin(num_workgroups) groups: vec3<u32>) {
    let lane = thread % 32u;
    let quad = thread / 32u;
    for (var k = params.first + group.x; k < params.last; k += groups.x) {
        let block = blocks[k];
        let m = matrices[block.x];
        let row = block.y + 4u * quad;
        let column = block.z + 4u * lane;
        let a = squares(m, row, column);
        let b = squares(m, row, column + 128u);
        let c = squares(m, row + 32u, column);
        let d = squares(m, row + 32u, column + 128u);

        workgroupBarrier();
        shared_sums[thread] = ONES * (a + b);
        shared_sums[thread + 256u] = ONES * (c + d);
        workgroupBarrier();
        if (thread < 64u && block.y + thread < m.rows) {
            let at = m.across_at + block.z / 256u * m.rows + block.y + thread;
            partials[at] = across(thread);
        }

        workgroupBarrier();
        shared_sums[thread] = (a + c) * ONES;
        shared_sums[thread + 256u] = (b + d) * ONES;
        workgroupBarrier();
        if (block.z + thread < m.columns) {
            let at = m.down_at + block.y / 64u * m.columns + block.z + thread;
            partials[at] = down(thread);
        }
    }
}
