// Adamax: the formula of rumus.optim.Adamax.

// The learning rate with the bias correction.
fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>(h.lr / one_minus_exp(t * h.log_beta1), 0.0);
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let g = decayed(grad, h.weight_decay, p);
    (*s).m = h.beta1 * (*s).m + h.c1 * g;
    (*s).u = larger(h.beta2 * (*s).u, abs(g) + h.eps);
    return p - c.x * divided((*s).m, (*s).u);
}
