// Adam and AdamW: the formulas of rumus.optim.Adam and rumus.optim.AdamW.
// AdamW's decay is in h.shrink = 1 - lr λ, Adam's in h.weight_decay; the other one is neutral.

fn update(h: Row, t: f32, w: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>) -> vec4<f32> {
    let p = h.shrink * w;
    let g = grad + h.weight_decay * w;
    (*s).m += h.c1 * (g - (*s).m);
    (*s).v += h.c2 * (g * g - (*s).v);
    var v = (*s).v;
    if (AMSGRAD) {
        (*s).v_max = max((*s).v_max, v);
        v = (*s).v_max;
    }
    let root = sqrt(one_minus_exp(t * h.log_beta2));
    let size = h.lr * root / one_minus_exp(t * h.log_beta1);
    return p - size * (*s).m / (sqrt(v) + h.eps * root);
}
