// RMSprop: the formula of rumus.optim.RMSprop.

fn prepare(h: Row, t: f32) -> vec2<f32> {
    return vec2<f32>();
}

const INFINITY_BITS = vec4<u32>(0x7f800000u);
const ROOT_OF_MOST_BITS = vec4<u32>(0x5f7fffffu);   // 1.8446743e19, the last whose square is finite

// v - a², at least 0. Where v has overflowed: NaN if a² has too, else v, also if a compiler makes
// the subtraction one with the square, which then does not overflow.
fn variance(v: vec4<f32>, a: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(v);
    let over = (bits & INFINITY_BITS) == INFINITY_BITS;
    let nan = bitcast<vec4<f32>>(bits | vec4<u32>(0x7fc00000u));
    let magnitude = bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu);
    let spoilt = select(v, nan, magnitude > ROOT_OF_MOST_BITS);
    return select(larger(v - a * a, vec4<f32>()), spoilt, over);
}

fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, grad: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    let g = decayed(grad, h.weight_decay, p);
    (*s).v = add_square(h.alpha * (*s).v, h.c, g);
    var v = (*s).v;
    if (CENTERED) {
        (*s).a = h.alpha * (*s).a + h.c * g;
        v = variance(v, (*s).a);
    }
    var d = g / (sqrt(v) + h.eps);
    if (h.momentum != 0.0) {
        (*s).b = h.momentum * (*s).b + d;
        d = (*s).b;
    }
    return p - h.lr * d;
}
