// Gradient descent with momentum: the formula of rumus.optim.SGD.

fn update(h: Row, t: f32, p: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>) -> vec4<f32> {
    var g = grad + h.weight_decay * p;
    if (h.momentum != 0.0) {
        let undamped = select(h.undamped, 1.0, t < 1.5);
        (*s).b = h.momentum * (*s).b + undamped * g;
        g = select((*s).b, g + h.momentum * (*s).b, h.nesterov != 0.0);
    }
    return p - h.lr * g;
}
