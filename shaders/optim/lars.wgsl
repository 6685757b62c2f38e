// LARS: the formula of rumus.optim.LARS, in a pass that measures and a pass that moves.

fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>();
}

fn measure(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> mat2x4<f32> {
    return mat2x4<f32>(p, g);
}

// The root of the ratio of the parameter's norm and the step's: beside a step of 3e38 the ratio is
// subnormal, which a GPU may take for 0.
fn combine_norms(h: Row, c: vec2<f32>, norms: vec2<f32>, size: f32) -> f32 {
    if (norms.x == 0.0 || norms.y == 0.0) {
        return 1.0;
    }
    return sqrt(h.trust * norms.x) / sqrt(norms.y + h.weight_decay * norms.x + h.eps);
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let root = (*s).combined;
    var d = root * decayed(root * grad, h.weight_decay, root * p);
    if (h.momentum != 0.0) {
        (*s).b = h.momentum * (*s).b + d;
        d = select((*s).b, d + h.momentum * (*s).b, h.nesterov != 0.0);
    }
    return p - h.lr * d;
}
