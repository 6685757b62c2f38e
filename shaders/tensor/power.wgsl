// Powers of 4 numbers. Put behind exponential.wgsl.

// The 12 leading bits of a number; what is left has no more, and products of such parts are exact.
fn leading(a: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(a) & vec4<u32>(0xfffff000u));
}

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

// size**b for a positive, finite size and a finite b: 2**(b * log2(size)), the logarithm in two parts.
// With size = 2**e * m and s = (m - 1) / (m + 1), log2(m) = 2 / ln(2) * (s + s**3 / 3 + ...).
fn general_power(size: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let given = bitcast<vec4<u32>>(size);
  let tiny = given < vec4<u32>(0x00800000u);
  let bits = select(given, bitcast<vec4<u32>>(vec4<f32>(given)), tiny);
  let above = (bits & vec4<u32>(0x7fffffu)) > vec4<u32>(0x3504f3u);
  let e = vec4<f32>(vec4<i32>(bits >> vec4<u32>(23u))
    - select(vec4<i32>(127), vec4<i32>(126), above)
    - select(vec4<i32>(0), vec4<i32>(149), tiny));
  let m = bitcast<vec4<f32>>((bits & vec4<u32>(0x7fffffu))
    | select(vec4<u32>(0x3f800000u), vec4<u32>(0x3f000000u), above));

  let f = m - 1.0;
  let m_high = leading(m);
  let m_low = m - m_high;
  let sum_high = m_high + 1.0;
  let inverse = 1.0 / (m + 1.0);
  let s = f * inverse;
  let s_high = bitcast<vec4<f32>>(bitcast<vec4<u32>>(s) & vec4<u32>(0xffffe000u));
  let s_low = (settled(f - s_high * sum_high) - s_high * m_low) * inverse;

  let nearest = s_high + s_low;
  let z = nearest * nearest;
  var p = fma(vec4<f32>(0.11661911), z, vec4<f32>(0.14275591));
  p = fma(p, z, vec4<f32>(0.20000058));
  p = fma(p, z, vec4<f32>(0.33333334));
  let high = 2.884765625 * s_high;
  let low = fma(vec4<f32>(2.884765625), s_low, nearest * fma(z * p, vec4<f32>(2.8853900817779268),
    vec4<f32>(6.2445678e-4)));
  let log_high = bitcast<vec4<f32>>(bitcast<vec4<u32>>(e + (high + low)) & vec4<u32>(0xffffe000u));
  let log_low = settled(settled(e - log_high) + high) + low;

  let times = clamp(b, vec4<f32>(-1.0e10), vec4<f32>(1.0e10));
  let times_high = leading(times);
  let t_high = times_high * log_high;
  let t_low = fma(times - times_high, log_high, times * log_low);
  let t = t_high + t_low;
  let n = round(clamp(t, vec4<f32>(-160.0), vec4<f32>(130.0)));
  let r = settled(t_high - n) + t_low;
  let value = scaled(exp_near_0(r * 0.69314718055994531), n);
  let finite = select(value, vec4<f32>(0.0), t < vec4<f32>(-155.0));
  return select(finite, infinity_like(size), t > vec4<f32>(128.5));
}

// a**b as C's pow: 1 for b = 0 and for a = 1; a negative base takes whole exponents only, else NaN.
fn power_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let zero = vec4<f32>(0.0);
  let one = vec4<f32>(1.0);
  let size = abs(a);
  let whole = floor(b) == b;
  let odd = whole & (floor(0.5 * b) != 0.5 * b);
  let negative = (bitcast<vec4<u32>>(a) & vec4<u32>(0x80000000u)) != vec4<u32>(0u);
  let b_negative = b < zero;
  let b_infinite = !is_finite_f32(b);
  let a_infinite = !is_finite_f32(a);
  let a_zero = !truth_f32(a);

  let product = whole_power(size, vec4<u32>(min(abs(b), vec4<f32>(15.0))));
  let exactly = (floor(size) == size) & (product <= vec4<f32>(16777216.0))
    & (b < vec4<f32>(16.0)) & !b_negative;
  let few = whole & (exactly | (abs(b) <= vec4<f32>(4.0)));
  let exact = select(product, 1.0 / product, b_negative);
  let usual = select(general_power(size, b), exact, few);
  // Where the size of the result is 0 or infinite
  let grows = select(size > one, a_infinite, a_zero | a_infinite) != b_negative;
  let extreme = select(zero, infinity_like(size), grows);
  let magnitude = select(usual, extreme, b_infinite | a_zero | a_infinite);
  let with_sign = select(magnitude, -magnitude, negative & odd & !b_infinite);
  let real = select(with_sign, nan_from(a),
    negative & !whole & !b_infinite & !a_zero & !a_infinite);
  let known = select(select(real, nan_from(b), is_nan_f32(b)), nan_from(a), is_nan_f32(a));
  let is_one = (a == one) | (b_infinite & (size == one) & !is_nan_f32(b));
  return select(known, one, !truth_f32(b) | (is_one & !is_nan_f32(a)));
}

// a**b by squaring, which wraps around; b is not negative.
fn power_i32(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> {
  var result = vec4<i32>(1);
  var square = a;
  var left = bitcast<vec4<u32>>(b);
  for (var bit = 0u; bit < 31u && any(left != vec4<u32>(0u)); bit++) {
    result *= select(vec4<i32>(1), square, (left & vec4<u32>(1u)) != vec4<u32>(0u));
    square *= square;
    left >>= vec4<u32>(1u);
  }
  return result;
}
