// Hyperbolic functions of 4 numbers and their inverses. Put behind logarithm.wgsl.

// exp(a) / 2, which overflows later than exp(a).
fn half_exponential(a: vec4<f32>) -> vec4<f32> {
  let inside = clamp(a, vec4<f32>(-104.0), vec4<f32>(90.0));
  let n = whole_bits(inside * 1.4426950408889634);
  return scaled(exp_of_rest(inside, n), n - vec4<u32>(1u));
}

fn hyperbolic_sine(a: vec4<f32>) -> vec4<f32> {
  let z = a * a;
  var p = fma(vec4<f32>(2.8061418e-6), z, vec4<f32>(1.9838123e-4));
  p = fma(p, z, vec4<f32>(8.333339e-3));
  p = fma(p, z, vec4<f32>(1.6666667e-1));
  let small = fma(p * z, a, a);
  let half = half_exponential(abs(a));
  let large = with_sign_of(half - 0.25 / half, a);
  let value = select(small, large, abs(a) > vec4<f32>(1.0));
  return select(value, a, (abs(a) < vec4<f32>(TINY)) | is_nan_f32(a));
}

fn hyperbolic_cosine(a: vec4<f32>) -> vec4<f32> {
  let half = half_exponential(abs(a));
  return select(half + 0.25 / half, a, is_nan_f32(a));
}

// log(a + sqrt(a * a + 1)), as log(1 + ...) that keeps its digits; for large a it is log(2 * a).
fn inverse_hyperbolic_sine(a: vec4<f32>) -> vec4<f32> {
  let size = abs(a);
  let square = size * size;
  let near = logarithm_1p(size + square / (1.0 + sqrt(square + 1.0)));
  let value = select(near, logarithm(size) + 0.69314718055994531, size > vec4<f32>(1.0e9));
  return select(with_sign_of(value, a), a, (size < vec4<f32>(TINY)) | is_nan_f32(a));
}

fn inverse_hyperbolic_cosine(a: vec4<f32>) -> vec4<f32> {
  let above = max(a, vec4<f32>(1.0)) - 1.0;
  let near = logarithm_1p(above + sqrt(above * (above + 2.0)));
  let value = select(near, logarithm(a) + 0.69314718055994531, a > vec4<f32>(1.0e9));
  return select(value, nan_from(a), (a < vec4<f32>(1.0)) | is_nan_f32(a));
}

// log((1 + a) / (1 - a)) / 2; beyond 1 the quotient is negative, and its logarithm NaN.
fn inverse_hyperbolic_tangent(a: vec4<f32>) -> vec4<f32> {
  let size = abs(a);
  let value = 0.5 * logarithm_1p((size + size) / (1.0 - size));
  let known = select(with_sign_of(value, a), nan_from(a), size > vec4<f32>(1.0));
  let whole = select(known, infinity_like(a), size == vec4<f32>(1.0));
  return select(whole, a, (size < vec4<f32>(TINY)) | is_nan_f32(a));
}
