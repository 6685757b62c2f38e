// Adagrad: the formula of rumus.optim.Adagrad.

fn update(h: Row, t: f32, p: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>) -> vec4<f32> {
    let g = grad + h.weight_decay * p;
    (*s).v += g * g;
    return p - h.lr / (1.0 + (t - 1.0) * h.lr_decay) * g / (sqrt((*s).v) + h.eps);
}
