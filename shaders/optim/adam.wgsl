// Adam and AdamW: the formulas of rumus.optim.Adam and rumus.optim.AdamW.
// AdamW's decay is in h.shrink = 1 - lr λ, Adam's in h.weight_decay; the other one is neutral.

// √(1 - β₂ᵗ) and lr √(1 - β₂ᵗ) / (1 - β₁ᵗ): both bias corrections taken out of the vectors.
fn prepare(h: Row, t: f32) -> vec2<f32> {
    let root = sqrt(one_minus_exp(t * h.log_beta2));
    return vec2<f32>(root, h.lr * root / one_minus_exp(t * h.log_beta1));
}

fn update(
    h: Row, c: vec2<f32>, w: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let p = h.shrink * w;
    let g = decayed(grad, h.weight_decay, w);
    (*s).m = h.beta1 * (*s).m + h.c1 * g;
    (*s).v = add_square(h.beta2 * (*s).v, h.c2, g);
    var v = (*s).v;
    if (AMSGRAD) {
        (*s).v_max = larger((*s).v_max, v);
        v = (*s).v_max;
    }
    return p - c.y * (*s).m / (sqrt(v) + h.eps * c.x);
}
