// RAdam: the formula of rumus.optim.RAdam.

// ρ of step t. While t (1 - β₂) is small it is a difference of large numbers, and so their series.
fn rho(h: Row, t: f32) -> f32 {
    let x = -t * h.log_beta2;
    if (x > 1.0) {
        return h.most - 2.0 * t * exp(-x) / one_minus_exp(-x);
    }
    let square = x * x;
    let series = 1.0 / 6.0 - square * (1.0 / 360.0 - square * (1.0 / 15120.0 - square / 604800.0));
    return h.start + t * (1.0 - x * series);
}

// Whether the rate is adaptive, and all factors of the step.
fn prepare(h: Row, t: f32) -> vec2<f32> {
    let size = h.lr / one_minus_exp(t * h.log_beta1);
    let r = rho(h, t);
    if (r <= 5.0) {
        return vec2<f32>(0.0, size);
    }
    let rect = (r - 4.0) / (h.most - 4.0) * ((r - 2.0) / (h.most - 2.0)) * (h.most / r);
    return vec2<f32>(1.0, size * sqrt(rect * one_minus_exp(t * h.log_beta2)));
}

fn update(
    h: Row, c: vec2<f32>, w: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let p = h.shrink * w;
    let g = decayed(grad, h.weight_decay, w);
    (*s).m = h.beta1 * (*s).m + h.c1 * g;
    (*s).v = add_square(h.beta2 * (*s).v, h.c2, g);
    return p - c.y * ((*s).m / select(vec4<f32>(1.0), sqrt((*s).v) + h.eps, c.x != 0.0));
}
