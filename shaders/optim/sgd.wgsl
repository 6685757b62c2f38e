// Gradient descent with momentum: the formula of rumus.optim.SGD.

// The gradient's share of the momentum, which is whole in the first step.
fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>(select(h.undamped, 1.0, t < 1.5), 0.0);
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    var g = decayed(grad, h.weight_decay, p);
    if (h.momentum != 0.0) {
        (*s).b = h.momentum * (*s).b + c.x * g;
        g = select((*s).b, g + h.momentum * (*s).b, h.nesterov != 0.0);
    }
    return p - h.lr * g;
}
