// Lion: the formula of rumus.optim.Lion; h.shrink is 1 - lr λ.

fn update(h: Row, t: f32, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>) -> vec4<f32> {
    let m = (*s).m;
    (*s).m = m + h.c2 * (g - m);
    return h.shrink * p - h.lr * sign(m + h.c1 * (g - m));
}
