// Quotients rounded down, and what is left, of 4 numbers. Put behind math.wgsl. Remainders of
// floats are exact, by long division of their mantissas; drivers' own lose them with large quotients.

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
  let divisor = (b_bits & 0x7fffffu) | select(0u, 0x800000u, b_bits >= 0x800000u);
  var rest = ((a_bits & 0x7fffffu) | select(0u, 0x800000u, a_bits >= 0x800000u)) % divisor;
  var left = a_place - place;
  while (left > 0u) {
    let step = min(left, 8u);
    rest = (rest << step) % divisor;
    left -= step;
  }
  if (rest == 0u) { return bitcast<f32>(sign); }
  let shift = min(23u - firstLeadingBit(rest), place - 1u);
  let mantissa = rest << shift;
  let exponent = select(0u, place - shift, mantissa >= 0x800000u);
  return bitcast<f32>(sign | (exponent << 23u) | (mantissa & 0x7fffffu));
}

fn fmod_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(left_over(a.x, b.x), left_over(a.y, b.y), left_over(a.z, b.z), left_over(a.w, b.w));
}

// The remainder that has the sign of b.
fn remainder_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let rest = fmod_f32(a, b);
  let differs = ((bitcast<vec4<u32>>(rest) ^ bitcast<vec4<u32>>(b)) >> vec4<u32>(31u)) != vec4<u32>(0u);
  let value = select(rest, rest + b, differs);
  return select(value, with_sign_of(rest, b), !truth_f32(rest));
}

// Of a - remainder, which b divides but for rounding.
fn floor_divide_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let rest = fmod_f32(a, b);
  let differs = ((bitcast<vec4<u32>>(rest) ^ bitcast<vec4<u32>>(b)) >> vec4<u32>(31u)) != vec4<u32>(0u);
  let down = select(vec4<f32>(0.0), vec4<f32>(1.0), differs & truth_f32(rest));
  let quotient = divide(a, b);
  let whole = round(divide(a - rest, b)) - down;
  let value = select(whole, with_sign_of(vec4<f32>(0.0), quotient), whole == vec4<f32>(0.0));
  return select(select(value, rest, is_nan_f32(rest)), quotient, !truth_f32(b));
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
