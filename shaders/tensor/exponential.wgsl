// Exponentials, logarithms and powers of 4 numbers; drivers' own are coarse away from 0, and their
// errors differ. Put behind math.wgsl.

// The whole number next to a number up to 2**22 in size, in the bits of itself + 1.5 * 2**23: an
// addition is faster than a conversion. The mask changes nothing, and keeps compilers from reordering.
fn whole_bits(a: vec4<f32>) -> vec4<u32> {
  return bitcast<vec4<u32>>(a + 12582912.0) | vec4<u32>(0x4b000000u);
}

fn whole_number(bits: vec4<u32>) -> vec4<f32> { return bitcast<vec4<f32>>(bits) - 12582912.0; }

// 2**n * p for n from -300 to 300; in two steps, so that the result alone may be subnormal.
fn scaled(p: vec4<f32>, n: vec4<u32>) -> vec4<f32> {
  let half = (bitcast<vec4<i32>>(n) - vec4<i32>(0x4b400000)) >> vec4<u32>(1u);
  let rest = bitcast<vec4<i32>>(n) - vec4<i32>(0x4b400000) - half;
  let first = bitcast<vec4<f32>>((half + vec4<i32>(127)) << vec4<u32>(23u));
  return p * first * bitcast<vec4<f32>>((rest + vec4<i32>(127)) << vec4<u32>(23u));
}

// exp(a) - 1 for |a| up to ln(2) / 2: the polynomial of Cephes' expf.
fn exp_less_1_near_0(a: vec4<f32>) -> vec4<f32> {
  var p = fma(vec4<f32>(1.9875691500e-4), a, vec4<f32>(1.3981999507e-3));
  p = fma(p, a, vec4<f32>(8.3334519073e-3));
  p = fma(p, a, vec4<f32>(4.1665795894e-2));
  p = fma(p, a, vec4<f32>(1.6666665459e-1));
  p = fma(p, a, vec4<f32>(5.0000001201e-1));
  return fma(p, a * a, a);
}

fn exp_near_0(a: vec4<f32>) -> vec4<f32> { return exp_less_1_near_0(a) + 1.0; }

// a - n * ln(2), of n = whole_bits(a / ln(2)).
fn rest_of(a: vec4<f32>, n: vec4<u32>) -> vec4<f32> {
  let number = whole_number(n);
  let near = settled(fma(number, vec4<f32>(-0.693359375), a));
  return fma(number, vec4<f32>(2.12194440e-4), near);
}

fn exp_of_rest(a: vec4<f32>, n: vec4<u32>) -> vec4<f32> { return exp_near_0(rest_of(a, n)); }

fn exponential(a: vec4<f32>) -> vec4<f32> {
  let inside = clamp(a, vec4<f32>(-104.0), vec4<f32>(89.0));
  let n = whole_bits(inside * 1.4426950408889634);
  return select(scaled(exp_of_rest(inside, n), n), a, is_nan_f32(a));
}

// exp(a) of a <= 0, for kernels with little time: 0 where the result is subnormal. What is added to
// the polynomial is 0, but for NaN.
fn decay(a: vec4<f32>) -> vec4<f32> {
  let inside = max(a, vec4<f32>(-87.33));
  let n = whole_bits(inside * 1.4426950408889634);
  let p = exp_of_rest(inside, n) + (a - inside);
  let scale = bitcast<vec4<f32>>((n << vec4<u32>(23u)) + vec4<u32>(0x3f800000u));
  return select(p * scale, vec4<f32>(0.0), a < vec4<f32>(-87.33));
}

// 1 / (1 + exp(-a)), with its digits where a is negative.
fn sigmoid(a: vec4<f32>) -> vec4<f32> {
  let small = decay(-abs(a));
  let large = 1.0 / (1.0 + small);
  return select(large, small * large, a < vec4<f32>(0.0));
}

// log(a) = e * ln(2) + f + cube - f * f / 2, of a positive and finite number.
struct Logarithm { e: vec4<f32>, f: vec4<f32>, cube: vec4<f32> }

// Polynomial of Cephes' logf; drivers' log is coarse near 1, where it may be off by 2**-21.
// Subnormal numbers, which a driver may take for 0, are read as integers, 2**149 times as large.
fn log_in_parts(a: vec4<f32>) -> Logarithm {
  let given = bitcast<vec4<u32>>(a);
  let tiny = given < vec4<u32>(0x00800000u);
  let bits = select(given, bitcast<vec4<u32>>(vec4<f32>(given)), tiny);
  let mantissa = bitcast<vec4<f32>>((bits & vec4<u32>(0x7fffffu)) | vec4<u32>(0x3f000000u));
  let low = mantissa < vec4<f32>(0.70710678118654752);
  let e = vec4<f32>(vec4<i32>(bits >> vec4<u32>(23u)) - select(vec4<i32>(126), vec4<i32>(127), low)
    - select(vec4<i32>(0), vec4<i32>(149), tiny));
  let f = select(mantissa, mantissa + mantissa, low) - 1.0;
  let z = f * f;
  var p = fma(vec4<f32>(7.0376836292e-2), f, vec4<f32>(-1.1514610310e-1));
  p = fma(p, f, vec4<f32>(1.1676998740e-1));
  p = fma(p, f, vec4<f32>(-1.2420140846e-1));
  p = fma(p, f, vec4<f32>(1.4249322787e-1));
  p = fma(p, f, vec4<f32>(-1.6668057665e-1));
  p = fma(p, f, vec4<f32>(2.0000714765e-1));
  p = fma(p, f, vec4<f32>(-2.4999993993e-1));
  p = fma(p, f, vec4<f32>(3.3333331174e-1));
  return Logarithm(e, f, p * f * z);
}

// Infinity and NaN as they are, NaN of negative numbers, -infinity of 0; else what was found.
fn log_or_special(a: vec4<f32>, found: vec4<f32>) -> vec4<f32> {
  let given = bitcast<vec4<u32>>(a);
  let positive = select(found, a, given >= vec4<u32>(0x7f800000u));
  let not_negative = select(positive, nan_from(a), given > vec4<u32>(0x80000000u));
  return select(not_negative, -infinity_like(abs(a)), (given & vec4<u32>(0x7fffffffu)) == vec4<u32>(0u));
}

fn logarithm(a: vec4<f32>) -> vec4<f32> {
  let part = log_in_parts(a);
  let rest = fma(part.e, vec4<f32>(-2.12194440e-4), part.cube) - 0.5 * part.f * part.f;
  return log_or_special(a, fma(part.e, vec4<f32>(0.693359375), part.f + rest));
}

// log(1 + a) for -0.5 <= a <= 1, as 2 * atanh(a / (2 + a)): 1 + a would drop digits of a.
fn log_1p(a: vec4<f32>) -> vec4<f32> {
  let inverse = 1.0 / (2.0 + a);
  let s = a * inverse;
  let z = s * s;
  var p = fma(vec4<f32>(0.28178325), z, vec4<f32>(0.27960604));
  p = fma(p, z, vec4<f32>(0.40024909));
  p = fma(p, z, vec4<f32>(0.66666316));
  return a * (inverse * fma(p, z, vec4<f32>(2.0)));
}

fn softplus(a: vec4<f32>) -> vec4<f32> {
  return max(a, vec4<f32>(0.0)) + log_1p(decay(-abs(a)));
}

// Drivers' tanh overflows to NaN or loses small arguments. Polynomial of Cephes' tanhf below 0.625.
fn tanh_safe(a: vec4<f32>) -> vec4<f32> {
  let z = a * a;
  var p = fma(vec4<f32>(-5.70498872745e-3), z, vec4<f32>(2.06390887954e-2));
  p = fma(p, z, vec4<f32>(-5.37397155531e-2));
  p = fma(p, z, vec4<f32>(1.33314422036e-1));
  p = fma(p, z, vec4<f32>(-3.33332819422e-1));
  let size = abs(a);
  let small = fma(p * z, size, size);
  let part = decay(-2.0 * size);
  let large = (1.0 - part) / (1.0 + part);
  return with_sign_of(select(small, large, size >= vec4<f32>(0.625)), a);
}
