// What the passes of Adafactor share.

// A matrix of a parameter: where it lies in the arena, and its row, column and mean in `factors`.
struct Matrix {
    start: u32,
    rows: u32,
    columns: u32,
    row_at: u32,
    column_at: u32,
    mean_at: u32,
    group: u32,
    unused: u32,
}

// The share of the newest squares in a moving average, 1 - β.
fn new_share(h: Row, t: f32) -> f32 {
    return pow(t, h.beta2_decay);
}
