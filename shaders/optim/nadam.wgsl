// NAdam: the formula of rumus.optim.NAdam.

// The factor of ε, and those of the gradient and of its mean.
fn prepare(h: Row, t: f32) -> vec3<f32> {
    let root = sqrt(one_minus_exp(t * h.log_beta2));
    // Π and 1 - Π, each without a difference. Π is soon too small to matter.
    let q = exp(h.log_q);
    var half = 0.5;
    var product = 1.0;
    var rest = 0.0;
    for (var i = 0.0; i < t; i += 1.0) {
        half *= q;
        rest += product * (h.c1 + h.beta1 * half);
        product *= h.beta1 * (1.0 - half);
        if (product < 1e-9) {
            break;
        }
        if (half < 1e-8) {
            let left = (t - i - 1.0) * h.log_beta1;
            rest += product * one_minus_exp(left);
            product *= exp(left);
            break;
        }
    }
    let now = 0.5 * exp(t * h.log_q);
    let next = now * q;
    let of_gradient = (h.c1 + h.beta1 * now) / rest;
    let ahead = h.beta1 * (1.0 - next) / (rest + product * (h.c1 + h.beta1 * next));
    return vec3<f32>(root, h.lr * root * of_gradient, h.lr * root * ahead);
}

fn update(
    h: Row, c: vec3<f32>, w: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let p = h.shrink * w;
    let g = decayed(grad, h.weight_decay, w);
    (*s).m = h.beta1 * (*s).m + h.c1 * g;
    (*s).v = add_square(h.beta2 * (*s).v, h.c2, g);
    return p - (c.y * g + c.z * (*s).m) / (sqrt((*s).v) + h.eps * c.x);
}
