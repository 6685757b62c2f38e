// Adadelta: the formula of rumus.optim.Adadelta.

fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>();
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let g = decayed(grad, h.weight_decay, p);
    (*s).v = add_square(h.rho * (*s).v, h.c, g);
    let d = g / sqrt((*s).v + h.eps) * sqrt((*s).u + h.eps);
    (*s).u = add_square(h.rho * (*s).u, h.c, d);
    return p - h.lr * d;
}
