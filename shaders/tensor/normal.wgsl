// The normal distribution and GELU, with their digits in the tail. Put behind exponential.wgsl.

const SQRT_2_OVER_PI = 0.79788456080286536;

// exp(-z**2 / 2) for 0 <= z <= 13.2, where it is taken for 0; the square is taken in two parts, so that
// it is not rounded.
fn normal_falloff(z: vec4<f32>) -> vec4<f32> {
  let high = bitcast<vec4<f32>>(bitcast<vec4<u32>>(z) & vec4<u32>(0xfffff000u));
  let low = 0.5 * (z - high) * (z + high);
  let n = whole_bits(-0.72134752044448170 * z * z);
  let number = whole_number(n);
  let near = settled(fma(number, vec4<f32>(-0.693359375), -0.5 * high * high));
  let p = exp_near_0(fma(number, vec4<f32>(2.12194440e-4), near) - low);
  let scale = bitcast<vec4<f32>>((n << vec4<u32>(23u)) + vec4<u32>(0x3f800000u));
  return select(p * scale, vec4<f32>(0.0), z >= vec4<f32>(13.2));
}

// P(X > z) / normal_falloff(z): a polynomial of (z - 2.8) / (z + 2.8), fitted to erfc within 1.2e-8,
// over 1 + z.
fn normal_ratio(z: vec4<f32>) -> vec4<f32> {
  let base = 1.0 + z;
  let inverse = 1.0 / ((z + 2.8) * base);
  let q = (z - 2.8) * base * inverse;
  var p = fma(vec4<f32>(-1.3496826e-4), q, vec4<f32>(-4.120059e-4));
  p = fma(p, q, vec4<f32>(4.244118e-4));
  p = fma(p, q, vec4<f32>(2.863321e-3));
  p = fma(p, q, vec4<f32>(-2.2804216e-3));
  p = fma(p, q, vec4<f32>(-1.7860996e-2));
  p = fma(p, q, vec4<f32>(4.6563096e-2));
  p = fma(p, q, vec4<f32>(-2.4496567e-2));
  p = fma(p, q, vec4<f32>(-9.5115475e-2));
  p = fma(p, q, vec4<f32>(4.893629e-1));
  return p * ((z + 2.8) * inverse);
}

// a * P(X <= a). The falloff is the last factor: the probability alone might be subnormal.
fn gelu(a: vec4<f32>) -> vec4<f32> {
  let z = min(abs(a), vec4<f32>(13.2));
  let positive = a > vec4<f32>(0.0);
  let beyond = select(a, z, positive) * normal_ratio(z) * normal_falloff(z);
  return select(beyond, a - beyond, positive);
}

// The derivative of gelu: P(X <= a) plus a times the density.
fn gelu_slope(a: vec4<f32>) -> vec4<f32> {
  let z = min(abs(a), vec4<f32>(13.2));
  let slope = (normal_ratio(z) - 0.39894228040143268 * abs(a)) * normal_falloff(z);
  return select(slope, 1.0 - slope, a > vec4<f32>(0.0));
}

// a / 2 * (1 + tanh(x)) = a * sigmoid(2 * x), which keeps its digits in the tail: 2 * x.
fn gelu_inner(a: vec4<f32>) -> vec4<f32> {
  return 2.0 * SQRT_2_OVER_PI * (a + 0.044715 * a * a * a);
}

// The derivative of a * sigmoid(gelu_inner(a)). Beyond 20 its second part is 0, where its factors
// alone would be infinite.
fn gelu_tanh_slope(a: vec4<f32>) -> vec4<f32> {
  let x = gelu_inner(a);
  let near = clamp(a, vec4<f32>(-20.0), vec4<f32>(20.0));
  let inner = 2.0 * SQRT_2_OVER_PI * (1.0 + 0.134145 * near * near);
  let s = sigmoid(x);
  return s + near * s * sigmoid(-x) * inner;
}

// t * softplus(-a) + (1 - t) * softplus(a), whose parts are all positive.
fn binary_cross_entropy(a: vec4<f32>, t: vec4<f32>) -> vec4<f32> {
  let zero = vec4<f32>(0.0);
  return log_1p(decay(-abs(a))) + t * max(-a, zero) + (1.0 - t) * max(a, zero);
}

fn binary_cross_entropy_slope(a: vec4<f32>, t: vec4<f32>) -> vec4<f32> {
  return (1.0 - t) * sigmoid(a) - t * sigmoid(-a);
}
