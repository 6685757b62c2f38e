// Muon: the elementwise parts of the formula of rumus.optim.Muon. Between them, the direction d is
// replaced by its orthogonalised form.

fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>();
}

fn measure(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> mat2x4<f32> {
    (*s).b += h.c * (g - (*s).b);
    (*s).d = select((*s).b, g + h.momentum * ((*s).b - g), h.nesterov != 0.0);
    return mat2x4<f32>();
}

// `combined` is the factor of the parameter's shape.
fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    return h.shrink * p - h.lr * (*s).combined * (*s).d;
}
