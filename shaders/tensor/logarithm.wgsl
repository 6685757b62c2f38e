// Exponentials and logarithms of other bases, and those that keep their digits near 0. Put behind
// exponential.wgsl.

fn exponential_2(a: vec4<f32>) -> vec4<f32> {
  let inside = clamp(a, vec4<f32>(-151.0), vec4<f32>(129.0));
  let n = whole_bits(inside);
  let rest = inside - whole_number(n);
  return select(scaled(exp_near_0(0.69314718055994531 * rest), n), a, is_nan_f32(a));
}

// exp(a) - 1 = 2**n * (exp(rest) - 1) + (2**n - 1).
fn exponential_less_1(a: vec4<f32>) -> vec4<f32> {
  let inside = clamp(a, vec4<f32>(-20.0), vec4<f32>(87.0));
  let n = whole_bits(inside * 1.4426950408889634);
  let scale = bitcast<vec4<f32>>((n << vec4<u32>(23u)) + vec4<u32>(0x3f800000u));
  let value = fma(exp_less_1_near_0(rest_of(inside, n)), scale, scale - 1.0);
  let large = select(value, exponential(a), (a > vec4<f32>(87.0)) | is_nan_f32(a));
  return select(large, a, abs(a) < vec4<f32>(TINY));
}

// log(1 + a) of any number: below -1/2 the sum is exact, and above 1 its error is small beside the result.
fn logarithm_1p(a: vec4<f32>) -> vec4<f32> {
  let near = (a >= vec4<f32>(-0.5)) & (a <= vec4<f32>(1.0)) & !is_nan_f32(a);
  let value = select(logarithm(1.0 + a), log_1p(a), near);
  return select(value, a, abs(a) < vec4<f32>(TINY));
}

// The factor log2(e) less 1, so that the largest part is not rounded; whole for powers of 2.
fn logarithm_2(a: vec4<f32>) -> vec4<f32> {
  let part = log_in_parts(a);
  let rest = part.cube - 0.5 * part.f * part.f;
  let beyond = 0.44269504088896340 * rest + 0.44269504088896340 * part.f;
  return log_or_special(a, part.e + (part.f + (beyond + rest)));
}

// log10(e) and log10(2) in two parts each, of which the first are short.
fn logarithm_10(a: vec4<f32>) -> vec4<f32> {
  let part = log_in_parts(a);
  let rest = part.cube - 0.5 * part.f * part.f;
  var value = 7.00731903251827651e-4 * (part.f + rest);
  value = fma(vec4<f32>(4.3359375e-1), rest, value);
  value = fma(vec4<f32>(2.48745663981195214e-4), part.e, value);
  value = fma(vec4<f32>(4.3359375e-1), part.f, value);
  return log_or_special(a, fma(vec4<f32>(3.0078125e-1), part.e, value));
}

// log(exp(a) + exp(b)), without overflow; the difference of equal infinities is not used.
fn log_add_exp(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let largest = maximum_f32(a, b);
  let distance = select(-abs(a - b), vec4<f32>(0.0), equal_f32(a, b) | is_nan_f32(largest));
  return largest + log_1p(decay(distance));
}
