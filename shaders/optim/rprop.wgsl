// Rprop: the formula of rumus.optim.Rprop.

// Whether it is the first step.
fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>(f32(t < 1.5), 0.0);
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let same = sign_of(g) * sign_of((*s).prev);
    let before = select((*s).step_size, vec4<f32>(h.lr), c.x != 0.0);
    let grown = select(before, before * h.grow, same > vec4<f32>());
    let turned = same < vec4<f32>();
    let size = select(grown, before * h.shrink, turned);
    (*s).step_size = clamp(size, vec4<f32>(h.least), vec4<f32>(h.most));
    (*s).prev = select(g, vec4<f32>(), turned);
    return p - (*s).step_size * sign_of((*s).prev);
}
