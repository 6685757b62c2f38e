// RMSprop: the formula of rumus.optim.RMSprop.

fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>();
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let g = grad + h.weight_decay * p;
    (*s).v = h.alpha * (*s).v + h.c * g * g;
    var v = (*s).v;
    if (CENTERED) {
        (*s).a = h.alpha * (*s).a + h.c * g;
        v = max(v - (*s).a * (*s).a, vec4<f32>());
    }
    var d = g / (sqrt(v) + h.eps);
    if (h.momentum != 0.0) {
        (*s).b = h.momentum * (*s).b + d;
        d = (*s).b;
    }
    return p - h.lr * d;
}
