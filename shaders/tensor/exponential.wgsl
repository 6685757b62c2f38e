// Exponentials, logarithms and powers of 4 numbers; drivers' own are coarse away from 0, and their
// errors differ. Put behind math.wgsl.

// 2**n * p for whole n from -300 to 300; in two steps, so that the result alone may be subnormal.
fn scaled(p: vec4<f32>, n: vec4<f32>) -> vec4<f32> {
  let whole = vec4<i32>(n);
  let half = whole >> vec4<u32>(1u);
  let first = bitcast<vec4<f32>>((half + vec4<i32>(127)) << vec4<u32>(23u));
  let second = bitcast<vec4<f32>>((whole - half + vec4<i32>(127)) << vec4<u32>(23u));
  return p * first * second;
}

// exp(a) for |a| up to ln(2) / 2: the polynomial of Cephes' expf.
fn exp_near_0(a: vec4<f32>) -> vec4<f32> {
  var p = fma(vec4<f32>(1.9875691500e-4), a, vec4<f32>(1.3981999507e-3));
  p = fma(p, a, vec4<f32>(8.3334519073e-3));
  p = fma(p, a, vec4<f32>(4.1665795894e-2));
  p = fma(p, a, vec4<f32>(1.6666665459e-1));
  p = fma(p, a, vec4<f32>(5.0000001201e-1));
  return fma(p, a * a, a) + 1.0;
}

fn exponential(a: vec4<f32>) -> vec4<f32> {
  let inside = clamp(a, vec4<f32>(-104.0), vec4<f32>(89.0));
  let n = round(inside * 1.4426950408889634);
  let r = fma(n, vec4<f32>(2.12194440e-4), settled(fma(n, vec4<f32>(-0.693359375), inside)));
  return select(scaled(exp_near_0(r), n), a, is_nan_f32(a));
}

// 1 / (1 + exp(-a)), with its digits where a is negative.
fn sigmoid(a: vec4<f32>) -> vec4<f32> {
  let small = exponential(-abs(a));
  let large = 1.0 / (1.0 + small);
  return select(large, small * large, a < vec4<f32>(0.0));
}

// Polynomial of Cephes' logf; drivers' log is coarse near 1, where it may be off by 2**-21.
// Subnormal numbers, which a driver may take for 0, are read as integers, 2**149 times as large.
fn logarithm(a: vec4<f32>) -> vec4<f32> {
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
  let rest = fma(e, vec4<f32>(-2.12194440e-4), p * f * z) - 0.5 * z;
  let normal = fma(e, vec4<f32>(0.693359375), f + rest);
  let positive = select(normal, a, given >= vec4<u32>(0x7f800000u));
  let not_negative = select(positive, nan_from(a), given > vec4<u32>(0x80000000u));
  return select(not_negative, -infinity_like(abs(a)), (given & vec4<u32>(0x7fffffffu)) == vec4<u32>(0u));
}

// log(1 + a) for 0 <= a <= 1, as 2 * atanh(a / (2 + a)): 1 + a would drop digits of a.
fn log_1p(a: vec4<f32>) -> vec4<f32> {
  let s = a / (2.0 + a);
  let z = s * s;
  var p = fma(vec4<f32>(0.28178325), z, vec4<f32>(0.27960604));
  p = fma(p, z, vec4<f32>(0.40024909));
  p = fma(p, z, vec4<f32>(0.66666316));
  return s * fma(p, z, vec4<f32>(2.0));
}

fn softplus(a: vec4<f32>) -> vec4<f32> {
  return max(a, vec4<f32>(0.0)) + log_1p(exponential(-abs(a)));
}

// Drivers' tanh overflows to NaN or loses small arguments. Polynomial of Cephes' tanhf below 0.625.
fn tanh_safe(a: vec4<f32>) -> vec4<f32> {
  let z = a * a;
  var p = fma(vec4<f32>(-5.70498872745e-3), z, vec4<f32>(2.06390887954e-2));
  p = fma(p, z, vec4<f32>(-5.37397155531e-2));
  p = fma(p, z, vec4<f32>(1.33314422036e-1));
  p = fma(p, z, vec4<f32>(-3.33332819422e-1));
  let small = fma(p * z, a, a);
  let large = 1.0 - 2.0 / (exponential(2.0 * abs(a)) + 1.0);
  return select(small, select(large, -large, a < vec4<f32>(0.0)), abs(a) >= vec4<f32>(0.625));
}
