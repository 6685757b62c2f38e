// Quotients rounded down, and what is left, of 4 numbers. Put behind math.wgsl. Remainders of
// floats are exact, by long division of their mantissas; drivers' own lose them with large quotients.

fn mantissa(bits: u32) -> u32 {
  return (bits & 0x7fffffu) | select(0u, 0x800000u, (bits & 0x7f800000u) != 0u);
}

// a - b * trunc(a / b) of two numbers; NaN for b = 0 and for infinite a.
fn left_over(a: f32, b: f32) -> f32 {
  let sign = bitcast<u32>(a) & 0x80000000u;
  let a_bits = bitcast<u32>(a) & 0x7fffffffu;
  let b_bits = bitcast<u32>(b) & 0x7fffffffu;
  if ((a_bits >= 0x7f800000u) | (b_bits == 0u) | (b_bits > 0x7f800000u)) {
    return bitcast<f32>(0x7fc00000u | sign);
  }
  if (a_bits < b_bits) { return a; }
  let a_place = max(a_bits >> 23u, 1u);
  let place = max(b_bits >> 23u, 1u);
  let divisor = mantissa(b_bits);
  var rest = mantissa(a_bits) % divisor;
  var left = a_place - place;
  while (left > 0u) {
    let step = min(left, 8u);
    rest = (rest << step) % divisor;
    left -= step;
  }
  if (rest == 0u) { return bitcast<f32>(sign); }
  let shift = min(23u - firstLeadingBit(rest), place - 1u);
  let shifted = rest << shift;
  let exponent = select(0u, place - shift, shifted >= 0x800000u);
  return bitcast<f32>(sign | (exponent << 23u) | (shifted & 0x7fffffu));
}

fn fmod_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(left_over(a.x, b.x), left_over(a.y, b.y), left_over(a.z, b.z), left_over(a.w, b.w));
}

fn have_other_signs(a: vec4<f32>, b: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(a) ^ bitcast<vec4<u32>>(b)) >= vec4<u32>(0x80000000u);
}

// Sums next to subnormal numbers, which a GPU may take for 0, are made of numbers 2**64 as large.
fn is_small(a: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu)) < vec4<u32>(0x21800000u);  // 2**-60
}

fn raised_by_64(a: vec4<f32>) -> vec4<f32> {
  let size = bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu);
  let subnormal = with_sign_of(vec4<f32>(size) * 2.5849394142282115e-26, a);  // 2**-85
  return select(a * 18446744073709551616.0, subnormal, size < vec4<u32>(0x00800000u));
}

fn lowered_by_64(a: vec4<f32>) -> vec4<f32> {
  let size = abs(a);
  let subnormal = bitcast<vec4<f32>>(vec4<u32>(min(size, vec4<f32>(1.0e-18)) * 3.8685626227668134e25));
  let is_subnormal = size < vec4<f32>(2.168404344971009e-19);  // 2**-62
  return select(a * 5.421010862427522e-20, with_sign_of(subnormal, a), is_subnormal);
}

// The remainder that has the sign of b.
fn remainder_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let rest = fmod_f32(a, b);
  let sum = select(rest + b, lowered_by_64(raised_by_64(rest) + raised_by_64(b)), is_small(b));
  let value = select(rest, sum, have_other_signs(rest, b) & !is_nan_f32(rest));
  return select(value, with_sign_of(rest, b), !truth_f32(rest));
}

// a / b, rounded as IEEE 754 has it, of finite numbers that are not 0 with |a| >= |b| / 2.
fn rounded_quotient(a: f32, b: f32) -> f32 {
  let a_bits = bitcast<u32>(a) & 0x7fffffffu;
  let b_bits = bitcast<u32>(b) & 0x7fffffffu;
  let a_shift = countLeadingZeros(mantissa(a_bits)) - 8u;
  let b_shift = countLeadingZeros(mantissa(b_bits)) - 8u;
  let divisor = mantissa(b_bits) << b_shift;
  var rest = mantissa(a_bits) << a_shift;
  let halves = u32(rest < divisor);
  rest = (rest << halves) - divisor;
  var digits = 1u;  // 24, and one to round by
  for (var k = 0u; k < 3u; k++) {
    rest <<= 8u;
    digits = (digits << 8u) | (rest / divisor);
    rest %= divisor;
  }
  let up = digits & ((digits >> 1u) | u32(rest != 0u)) & 1u;
  let exponent = max(a_bits >> 23u, 1u) + b_shift + 126u - max(b_bits >> 23u, 1u) - a_shift - halves;
  let size = min((exponent << 23u) + (digits >> 1u) + up, 0x7f800000u);
  return bitcast<f32>(size | ((bitcast<u32>(a) ^ bitcast<u32>(b)) & 0x80000000u));
}

// Of a - remainder, which b divides but for rounding, in numpy's steps.
fn floor_divide_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let rest = fmod_f32(a, b);
  let down = select(vec4<f32>(0.0), vec4<f32>(1.0), have_other_signs(rest, b) & truth_f32(rest));
  let small = is_small(a);
  let top = select(a - rest, raised_by_64(a) - raised_by_64(rest), small);
  let bottom = select(b, raised_by_64(b), small);
  let exact = vec4<f32>(
    rounded_quotient(top.x, bottom.x), rounded_quotient(top.y, bottom.y),
    rounded_quotient(top.z, bottom.z), rounded_quotient(top.w, bottom.w));
  let found = select(vec4<f32>(0.0), exact, truth_f32(top)) - down;
  let below = floor(found);
  let whole = select(below, below + 1.0, found - below > vec4<f32>(0.5));
  let sign = bitcast<vec4<f32>>(bitcast<vec4<u32>>(a) ^ bitcast<vec4<u32>>(b));
  let value = select(whole, with_sign_of(vec4<f32>(0.0), sign), whole == vec4<f32>(0.0));
  let infinite = !truth_f32(b) & truth_f32(a) & !is_nan_f32(a);
  return select(select(value, rest, is_nan_f32(rest)), infinity_like(sign), infinite);
}

// Integers: 0 where b = 0. Vulkan leaves % of negative numbers undefined, and NVIDIA's differs.
fn fmod_i32(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> {
  let none = (b == vec4<i32>(0)) | (b == vec4<i32>(-1));
  let divisor = select(b, vec4<i32>(1), none);
  return select(a - a / divisor * divisor, vec4<i32>(0), none);
}

fn remainder_i32(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> {
  let rest = fmod_i32(a, b);
  return select(rest, rest + b, (rest != vec4<i32>(0)) & ((rest ^ b) < vec4<i32>(0)));
}

fn floor_divide_i32(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> {
  let rest = fmod_i32(a, b);
  let down = select(vec4<i32>(0), vec4<i32>(1), (rest != vec4<i32>(0)) & ((rest ^ b) < vec4<i32>(0)));
  let special = (b == vec4<i32>(0)) | (b == vec4<i32>(-1));
  let quotient = a / select(b, vec4<i32>(1), special) - down;
  return select(select(quotient, vec4<i32>(0) - a, b == vec4<i32>(-1)), vec4<i32>(0), b == vec4<i32>(0));
}
