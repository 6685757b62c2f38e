// Adafactor: sums of squares along the rows and down the columns of a block of 64 × 256 elements,
// which is read once. A thread takes two quads of rows, of two vectors of columns each.
// A block is matrix, first row, first column. Partial sums lie in vectors of four.
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
    let g = four_rows(m, row, column);
    let across = column + NEXT < vec4<u32>(m.columns);
    let down = row + NEXT < vec4<u32>(m.rows);
    return mat4x4<f32>(
        select(vec4<f32>(), g[0] * g[0], across & vec4<bool>(down.x)),
        select(vec4<f32>(), g[1] * g[1], across & vec4<bool>(down.y)),
        select(vec4<f32>(), g[2] * g[2], across & vec4<bool>(down.z)),
        select(vec4<f32>(), g[3] * g[3], across & vec4<bool>(down.w))
    );
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
        for (var half = 16u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if (lane < half) {
                shared_sums[thread] += shared_sums[thread + half];
                shared_sums[thread + 256u] += shared_sums[thread + 256u + half];
            }
        }
        if (lane == 0u) {
            let at = m.across_at + block.z / 256u * ((m.rows + 3u) / 4u) + row / 4u;
            if (row < m.rows) { partials[at] = shared_sums[thread]; }
            if (row + 32u < m.rows) { partials[at + 8u] = shared_sums[thread + 256u]; }
        }

        workgroupBarrier();
        shared_sums[thread] = (a + c) * ONES;
        shared_sums[thread + 256u] = (b + d) * ONES;
        for (var half = 128u; half >= 32u; half /= 2u) {
            workgroupBarrier();
            if (thread < half) {
                shared_sums[thread] += shared_sums[thread + half];
                shared_sums[thread + 256u] += shared_sums[thread + 256u + half];
            }
        }
        if (quad == 0u) {
            let at = m.down_at + block.y / 64u * ((m.columns + 3u) / 4u) + column / 4u;
            if (column < m.columns) { partials[at] = shared_sums[thread]; }
            if (column + 128u < m.columns) { partials[at + 32u] = shared_sums[thread + 256u]; }
        }
    }
}
