// Adagrad: the formula of rumus.optim.Adagrad.

// The learning rate of step t.
fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>(h.lr / (1.0 + (t - 1.0) * h.lr_decay), 0.0);
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let g = decayed(grad, h.weight_decay, p);
    (*s).v += g * g;
    return p - c.x * g / (sqrt((*s).v) + h.eps);
}
