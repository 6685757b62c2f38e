// What the formulas and their frame share.

// Which of a vector's four elements belong to a tile (start and end in vectors, count in elements).
fn lanes_inside(tile: vec4<u32>, i: u32) -> vec4<bool> {
    let left = tile.y - 4u * (i - tile.x);
    return vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(left);
}

// WGSL's own max and sign may lose NaN, and compilers take x != x for false: its bits tell it.
fn is_nan(x: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

// The larger one; NaN if either is.
fn larger(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return select(select(max(a, b), b, is_nan(b)), a, is_nan(a));
}

// -1, 0 or 1; NaN of NaN.
fn sign_of(x: vec4<f32>) -> vec4<f32> {
    return select(sign(x), x, is_nan(x));
}

// The gradient with the weights' decay. Without decay, a weight that is infinite adds no NaN.
fn decayed(grad: vec4<f32>, decay: f32, p: vec4<f32>) -> vec4<f32> {
    return select(grad, grad + decay * p, decay != 0.0);
}

// a / b. Drivers multiply by 1 / b, which underflows for |b| above 2¹²⁶.
fn divided(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let scale = select(vec4<f32>(1.0), vec4<f32>(0.00390625), abs(b) > vec4<f32>(1.0e36));
    return (a * scale) / (b * scale);
}

// base + c g². As written in products, NVIDIA's compiler takes g² first, which overflows before c g²
// does.
fn add_square(base: vec4<f32>, c: f32, g: vec4<f32>) -> vec4<f32> {
    return fma(c * g, g, base);
}

// 1 - eˣ for x ≤ 0. Near 0, where 1 - exp(x) would lose digits, the series of eˣ - 1.
fn one_minus_exp(x: f32) -> f32 {
    if (x < -0.5) {
        return 1.0 - exp(x);
    }
    var sum = 1.0 + x * (1.0 / 9.0);
    sum = 1.0 + sum * x * (1.0 / 8.0);
    sum = 1.0 + sum * x * (1.0 / 7.0);
    sum = 1.0 + sum * x * (1.0 / 6.0);
    sum = 1.0 + sum * x * (1.0 / 5.0);
    sum = 1.0 + sum * x * (1.0 / 4.0);
    sum = 1.0 + sum * x * (1.0 / 3.0);
    sum = 1.0 + sum * x * (1.0 / 2.0);
    return -x * sum;
}

fn unpack_half(word: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(word.x), unpack2x16float(word.y));
}

fn pack_half(x: vec4<f32>) -> vec2<u32> {
    return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw));
}
