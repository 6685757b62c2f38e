// Lion: the formula of rumus.optim.Lion; h.shrink is 1 - lr λ.

fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>();
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let m = (*s).m;
    (*s).m = h.beta2 * m + h.c2 * g;
    return h.shrink * p - h.lr * sign_of(h.beta1 * m + h.c1 * g);
}
