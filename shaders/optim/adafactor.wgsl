// Adafactor: the formula of rumus.optim.Adafactor, once rows and columns are up to date.

// A parameter: where it lies in the arena, the size of its matrices, and its moments in `factors`.
// One that is not factored is a column that is its whole second moment.
struct Shape {
    start: u32,
    rows: u32,
    columns: u32,
    row_at: u32,
    column_at: u32,
    mean_at: u32,
    factored: u32,
}

// The relative step of update t, and the share of its squares in a moving average, 1 - β.
fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>(min(h.lr, inverseSqrt(t)), pow(t, h.beta2_decay));
}

fn factor(i: u32) -> f32 {
    return factors[i / 4u][i % 4u];
}

fn four_factors(i: u32) -> vec4<f32> {
    if (i % 4u == 0u) { return factors[i / 4u]; }
    return vec4<f32>(factor(i), factor(i + 1u), factor(i + 2u), factor(i + 3u));
}

// The matrix of a parameter that a line belongs to.
fn matrix_of(shape: Shape, line: u32) -> u32 {
    if (line < shape.rows) { return 0u; }
    return line / shape.rows;
}

// What the elements of a line share in V.
fn left(h: Row, shape: Shape, line: u32) -> f32 {
    let mean = vec4<f32>(factor(shape.mean_at + matrix_of(shape, line)));
    let row = vec4<f32>(factor(shape.row_at + line));
    return divided(row, larger(mean, vec4<f32>(h.eps1))).x;
}

// Whole lines in x elements from the start of one, x < columns + count.
fn whole_lines(x: u32, columns: u32, count: u32) -> u32 {
    if (columns >= count) { return u32(x >= columns); }
    return u32((f32(x) + 0.5) / f32(columns));
}

// The second moments V of four elements of a tile: a row times a column, or as they are.
fn gather(h: Row, tile: vec4<u32>, i: u32) -> vec4<f32> {
    let shape = shapes[tile.z];
    if (shape.factored == 0u) {
        return factors[(shape.column_at + 4u * i - shape.start) / 4u];
    }
    let first = 4u * tile.x - shape.start;
    let top = first / shape.columns;
    var column = first - top * shape.columns + 4u * (i - tile.x);
    let lines = whole_lines(column, shape.columns, tile.y);
    var line = top + lines;
    column -= lines * shape.columns;
    var across = shape.column_at + matrix_of(shape, line) * shape.columns;
    if (column + 4u <= shape.columns) {
        return left(h, shape, line) * four_factors(across + column);
    }
    var v: vec4<f32>;
    for (var k = 0u; k < 4u; k++) {
        v[k] = left(h, shape, line) * factor(across + column);
        column++;
        if (column == shape.columns) {
            column = 0u;
            line++;
            across = shape.column_at + matrix_of(shape, line) * shape.columns;
        }
    }
    return v;
}

// The same, after V of what is not factored has moved.
fn advance(h: Row, c: vec2<f32>, tile: vec4<u32>, i: u32, g: vec4<f32>) -> vec4<f32> {
    let shape = shapes[tile.z];
    if (shape.factored == 0u) {
        let at = (shape.column_at + 4u * i - shape.start) / 4u;
        factors[at] += c.y * (g * g - factors[at]);
    }
    return gather(h, tile, i);
}

fn direction(h: Row, g: vec4<f32>, v: vec4<f32>) -> vec4<f32> {
    return g * inverseSqrt(larger(v, vec4<f32>(h.eps1 * h.eps1)));
}

fn measure(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> mat2x4<f32> {
    let u = direction(h, g, (*s).gathered);
    return mat2x4<f32>(p, u);
}

// x, but at least a number, which also takes the place of NaN: as PyTorch has it, one element
// that is lost does not take the size of the whole update with it.
fn at_least(x: f32, least: f32) -> f32 {
    return select(least, x, x > least);
}

// α / max(1, RMS(U) / d)
fn combine_norms(h: Row, c: vec2<f32>, norms: vec2<f32>, size: f32) -> f32 {
    let means = norms / sqrt(size);
    return at_least(means.x, h.eps2) * c.x / at_least(means.y / h.d, 1.0);
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    return h.shrink * p - (*s).combined * direction(h, g, (*s).gathered);
}
