// LAMB: the formula of rumus.optim.LAMB, in a pass that measures and a pass that moves.

// √(1 - β₂ᵗ) and √(1 - β₂ᵗ) / (1 - β₁ᵗ): both bias corrections taken out of the vectors.
fn prepare(h: Row, t: f32) -> vec2<f32> {
    let root = sqrt(one_minus_exp(t * h.log_beta2));
    return vec2<f32>(root, root / one_minus_exp(t * h.log_beta1));
}

// u = r + λ p, from moments that are up to date.
fn direction(h: Row, c: vec2<f32>, p: vec4<f32>, m: vec4<f32>, v: vec4<f32>) -> vec4<f32> {
    return decayed(c.y * m / (sqrt(v) + h.eps * c.x), h.weight_decay, p);
}

fn measure(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> mat2x4<f32> {
    (*s).m = h.beta1 * (*s).m + h.c1 * g;
    (*s).v = add_square(h.beta2 * (*s).v, h.c2, g);
    let u = direction(h, c, p, (*s).m, (*s).v);
    return mat2x4<f32>(p, u);
}

// The trust ratio ‖p‖ / ‖u‖.
fn combine_norms(h: Row, c: vec2<f32>, norms: vec2<f32>, size: f32) -> f32 {
    if (norms.x == 0.0 || norms.y == 0.0) {
        return 1.0;
    }
    return divided(vec4<f32>(norms.x), vec4<f32>(norms.y)).x;
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    return p - h.lr * (*s).combined * direction(h, c, p, (*s).m, (*s).v);
}
