// Functions of 4 numbers for the elementwise family, with numpy's answers for NaN and infinity.
//
// Compilers may assume that there is no NaN, so it is recognised by its bits.

const SQRT_HALF = 0.70710678118654752;
const SQRT_2_OVER_PI = 0.79788456080286536;

fn is_nan_f32(a: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

fn is_nan_i32(a: vec4<i32>) -> vec4<bool> { return vec4<bool>(false); }

fn is_finite_f32(a: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(a) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u);
}

fn is_finite_i32(a: vec4<i32>) -> vec4<bool> { return vec4<bool>(true); }

fn truth_f32(a: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu)) != vec4<u32>(0u);
}

fn truth_i32(a: vec4<i32>) -> vec4<bool> { return a != vec4<i32>(0); }

fn maximum_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return select(select(max(a, b), b, is_nan_f32(b)), a, is_nan_f32(a));
}

fn maximum_i32(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> { return max(a, b); }

fn minimum_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return select(select(min(a, b), b, is_nan_f32(b)), a, is_nan_f32(a));
}

fn minimum_i32(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> { return min(a, b); }

fn relu_f32(a: vec4<f32>) -> vec4<f32> {
  return select(vec4<f32>(0.0), a, (a > vec4<f32>(0.0)) | is_nan_f32(a));
}

fn relu_i32(a: vec4<i32>) -> vec4<i32> { return max(a, vec4<i32>(0)); }

fn sign_f32(a: vec4<f32>) -> vec4<f32> { return select(sign(a), a, is_nan_f32(a)); }

fn sign_i32(a: vec4<i32>) -> vec4<i32> { return sign(a); }

fn floor_f32(a: vec4<f32>) -> vec4<f32> { return floor(a); }

fn floor_i32(a: vec4<i32>) -> vec4<i32> { return a; }

// a**b for whole b from 0 to 15, by squaring: exact where exp2(b * log2(a)) is not.
fn whole_power(a: vec4<f32>, b: vec4<u32>) -> vec4<f32> {
  let a2 = a * a;
  let a4 = a2 * a2;
  let one = vec4<f32>(1.0);
  let low = select(one, a, (b & vec4<u32>(1u)) != vec4<u32>(0u))
    * select(one, a2, (b & vec4<u32>(2u)) != vec4<u32>(0u));
  return low * select(one, a4, (b & vec4<u32>(4u)) != vec4<u32>(0u))
    * select(one, a4 * a4, (b & vec4<u32>(8u)) != vec4<u32>(0u));
}

// a**b as C's pow: 1 for b = 0; a negative base takes whole exponents only, else NaN.
fn power(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let zero = vec4<f32>(0.0);
  let size = abs(a);
  let whole = floor(b) == b;
  let odd = whole & (floor(0.5 * b) != 0.5 * b);
  let general = exp2(b * log2(size));
  let with_sign = select(general, -general, (a < zero) & odd);
  let nan = log2(select(zero, vec4<f32>(-1.0), a < zero));
  let result = select(with_sign, nan, (a < zero) & !whole);
  let count = min(abs(b), vec4<f32>(15.0));
  let product = whole_power(a, vec4<u32>(count));
  let exact = select(product, 1.0 / product, b < zero);
  return select(result, exact, whole & (abs(b) < vec4<f32>(16.0)));
}

// a / b. Drivers multiply by 1 / b, which underflows for |b| above 2**126.
fn divide(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let scale = select(vec4<f32>(1.0), vec4<f32>(0.00390625), abs(b) > vec4<f32>(1.0e36));
  return (a * scale) / (b * scale);
}

fn sigmoid(a: vec4<f32>) -> vec4<f32> { return 1.0 / (1.0 + exp(-a)); }

// Polynomial of Cephes' logf; drivers' log is coarse near 1, where it may be off by 2**-21.
fn logarithm(a: vec4<f32>) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(a);
  let mantissa = bitcast<vec4<f32>>((bits & vec4<u32>(0x7fffffu)) | vec4<u32>(0x3f000000u));
  let low = mantissa < vec4<f32>(SQRT_HALF);
  let e = vec4<f32>(vec4<i32>(bits >> vec4<u32>(23u)) - select(vec4<i32>(126), vec4<i32>(127), low));
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
  return select(log(a), normal, (a > vec4<f32>(1.2e-38)) & is_finite_f32(a));
}

// log(1 + a) for 0 <= a <= 1; the second factor makes up for the digits that 1 + a drops.
fn log_1p(a: vec4<f32>) -> vec4<f32> {
  let sum = 1.0 + a;
  let lost = sum - 1.0;
  return select(logarithm(sum) * (a / lost), a, lost == vec4<f32>(0.0));
}

// Drivers' tanh overflows to NaN or loses small arguments. Polynomial of Cephes' tanhf below 0.625.
fn tanh_safe(a: vec4<f32>) -> vec4<f32> {
  let z = a * a;
  var p = fma(vec4<f32>(-5.70498872745e-3), z, vec4<f32>(2.06390887954e-2));
  p = fma(p, z, vec4<f32>(-5.37397155531e-2));
  p = fma(p, z, vec4<f32>(1.33314422036e-1));
  p = fma(p, z, vec4<f32>(-3.33332819422e-1));
  let small = fma(p * z, a, a);
  let large = 1.0 - 2.0 / (exp(2.0 * abs(a)) + 1.0);
  return select(small, select(large, -large, a < vec4<f32>(0.0)), abs(a) >= vec4<f32>(0.625));
}

// Two minimax polynomials (N. Juffa, 2016), good to about 1 ulp.
fn erf(a: vec4<f32>) -> vec4<f32> {
  let t = abs(a);
  let s = a * a;
  var p = fma(vec4<f32>(-1.72853470e-5), t, vec4<f32>(3.83197126e-4));
  p = fma(p, s, fma(vec4<f32>(-3.88396438e-3), t, vec4<f32>(2.42546219e-2)));
  p = fma(p, t, vec4<f32>(-1.06777877e-1));
  p = fma(p, t, vec4<f32>(-6.34846687e-1));
  p = fma(p, t, vec4<f32>(-1.28717512e-1));
  let far = 1.0 - exp(fma(p, t, -t));
  var q = fma(vec4<f32>(-5.96761703e-4), s, vec4<f32>(4.99119423e-3));
  q = fma(q, s, vec4<f32>(-2.67681349e-2));
  q = fma(q, s, vec4<f32>(1.12819925e-1));
  q = fma(q, s, vec4<f32>(-3.76125336e-1));
  q = fma(q, s, vec4<f32>(1.28379166e-1));
  return select(fma(q, a, a), select(far, -far, a < vec4<f32>(0.0)), t > vec4<f32>(0.927734375));
}

fn normal_density(a: vec4<f32>) -> vec4<f32> { return 0.39894228040143268 * exp(-0.5 * a * a); }

fn gelu_inner(a: vec4<f32>) -> vec4<f32> { return SQRT_2_OVER_PI * (a + 0.044715 * a * a * a); }

// The derivative of a / 2 * (1 + tanh(gelu_inner(a))).
fn gelu_tanh_slope(a: vec4<f32>) -> vec4<f32> {
  let t = tanh_safe(gelu_inner(a));
  let inner = SQRT_2_OVER_PI * (1.0 + 0.134145 * a * a);
  return 0.5 * (1.0 + t) + 0.5 * a * (1.0 - t * t) * inner;
}

// sin(a + quarter turns): Cody and Waite's reduction to [-pi/4, pi/4], polynomials of Cephes' sinf
// and cosf. Drivers' own are coarse, and worse for large arguments.
fn sine_shifted(a: vec4<f32>, turns: i32) -> vec4<f32> {
  let n = round(a * 0.63661977236758134);
  var r = fma(n, vec4<f32>(-1.5703125), a);
  r = fma(n, vec4<f32>(-4.837512969970703125e-4), r);
  r = fma(n, vec4<f32>(-7.54978995489188216e-8), r);
  let z = r * r;
  var s = fma(vec4<f32>(-1.9515295891e-4), z, vec4<f32>(8.3321608736e-3));
  s = fma(fma(s, z, vec4<f32>(-1.6666654611e-1)) * z, r, r);
  var c = fma(vec4<f32>(2.443315711809948e-5), z, vec4<f32>(-1.388731625493765e-3));
  c = fma(c, z, vec4<f32>(4.166664568298827e-2));
  c = fma(c, z * z, fma(vec4<f32>(-0.5), z, vec4<f32>(1.0)));
  let quarter = vec4<i32>(n) + vec4<i32>(turns);
  let value = select(s, c, (quarter & vec4<i32>(1)) != vec4<i32>(0));
  return select(value, -value, (quarter & vec4<i32>(2)) != vec4<i32>(0));
}

fn sine(a: vec4<f32>) -> vec4<f32> { return sine_shifted(a, 0); }

fn cosine(a: vec4<f32>) -> vec4<f32> { return sine_shifted(a, 1); }

fn pack_bytes(v: vec4<i32>) -> u32 {
  let b = bitcast<vec4<u32>>(v) & vec4<u32>(255u);
  return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}
