// ASGD: the formula of rumus.optim.ASGD.

// The rate of step t, and the average's share of the new values.
fn prepare(h: Row, t: f32) -> vec2<f32> {
    let eta = h.lr * exp(-h.alpha * log(1.0 + h.lambd * h.lr * (t - 1.0)));
    return vec2<f32>(eta, 1.0 / max(1.0, t - 1.0 - h.t0));
}

fn update(
    h: Row, c: vec2<f32>, w: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let g = decayed(grad, h.weight_decay, w);
    let p = (1.0 - h.lambd * c.x) * w - c.x * g;
    (*s).ax = select((*s).ax + (p - (*s).ax) * c.y, p, c.y == 1.0);
    return p;
}
