// Adafactor: the formula of rumus.optim.Adafactor, once the second moments are up to date.

// A parameter: where it lies in the arena, the size of its matrices, and its moments in `factors`.
struct Shape {
    start: u32,
    rows: u32,
    columns: u32,
    row_at: u32,
    column_at: u32,
    mean_at: u32,
    v_at: u32,
    factored: u32,
}

// The relative step of update t.
fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>(min(h.lr, inverseSqrt(t)), 0.0);
}

// The second moments V of four elements: a row times a column, or as they are.
fn gather(h: Row, slot: u32, i: u32) -> vec4<f32> {
    let shape = shapes[slot];
    let first = 4u * i - shape.start;
    if (shape.factored == 0u) {
        let at = shape.v_at + first;
        return vec4<f32>(factors[at], factors[at + 1u], factors[at + 2u], factors[at + 3u]);
    }
    var line = first / shape.columns;
    var column = first - line * shape.columns;
    var v: vec4<f32>;
    for (var k = 0u; k < 4u; k++) {
        let matrix = line / shape.rows;
        let mean = max(factors[shape.mean_at + matrix], h.eps1);
        let across = factors[shape.column_at + matrix * shape.columns + column];
        v[k] = factors[shape.row_at + line] / mean * across;
        column++;
        if (column == shape.columns) {
            column = 0u;
            line++;
        }
    }
    return v;
}

fn direction(h: Row, g: vec4<f32>, v: vec4<f32>) -> vec4<f32> {
    return g / sqrt(max(v, vec4<f32>(h.eps1 * h.eps1)));
}

fn measure(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> mat2x4<f32> {
    let u = direction(h, g, (*s).gathered);
    return mat2x4<f32>(p * p, u * u);
}

// α / max(1, RMS(U) / d)
fn combine(h: Row, c: vec2<f32>, sums: vec2<f32>, size: f32) -> f32 {
    let alpha = max(h.eps2, sqrt(sums.x / size)) * c.x;
    return alpha / max(1.0, sqrt(sums.y / size) / h.d);
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    return h.shrink * p - (*s).combined * direction(h, g, (*s).gathered);
}
