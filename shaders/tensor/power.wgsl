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

// The binary logarithm of a positive, finite number: a part of 11 bits, and the rest of it.
struct Log2 { high: vec4<f32>, low: vec4<f32> }

// With size = 2**e * m and s = (m - 1) / (m + 1), log2(m) = 2 / ln(2) * (s + s**3 / 3 + ...).
// What is given is 2**excess times as large.
fn log2_in_parts(size: vec4<f32>, excess: vec4<u32>) -> Log2 {
  let bits = bitcast<vec4<u32>>(size);
  let above = select(vec4<u32>(0u), vec4<u32>(1u),
    (bits & vec4<u32>(0x7fffffu)) > vec4<u32>(0x3504f3u));
  let e = whole_number((bits >> vec4<u32>(23u)) + above - excess
    + vec4<u32>(0x4b400000u - 127u));
  let m = bitcast<vec4<f32>>((bits & vec4<u32>(0x7fffffu))
    + vec4<u32>(0x3f800000u) - (above << vec4<u32>(23u)));

  let f = m - 1.0;
  let m_high = leading(m);
  let inverse = 1.0 / (m + 1.0);
  let s_high = bitcast<vec4<f32>>(bitcast<vec4<u32>>(f * inverse) & vec4<u32>(0xffffe000u));
  let s_low = (settled(f - s_high * (m_high + 1.0)) - s_high * (m - m_high)) * inverse;

  let s = s_high + s_low;
  let z = s * s;
  var p = fma(vec4<f32>(0.11661911), z, vec4<f32>(0.14275591));
  p = fma(p, z, vec4<f32>(0.20000058));
  p = fma(p, z, vec4<f32>(0.33333334));
  let high = 2.884765625 * s_high;
  let low = fma(vec4<f32>(2.884765625), s_low,
    s * fma(z * p, vec4<f32>(2.8853900817779268), vec4<f32>(6.2445678e-4)));
  let first = bitcast<vec4<f32>>(bitcast<vec4<u32>>(e + (high + low)) & vec4<u32>(0xffffe000u));
  return Log2(first, settled(settled(e - first) + high) + low);
}

// size**b for a positive, finite size and a finite b.
fn general_power(size: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(size);
  let tiny = bits < vec4<u32>(0x00800000u);
  var base = size;
  var excess = vec4<u32>(0u);
  if (any(tiny)) {
    // Subnormal numbers, which a GPU may take for 0, are read as integers
    base = select(size, vec4<f32>(bits), tiny);
    excess = select(excess, vec4<u32>(149u), tiny);
  }
  let log = log2_in_parts(base, excess);
  let times = clamp(b, vec4<f32>(-1.0e10), vec4<f32>(1.0e10));
  let times_high = leading(times);
  let t_high = times_high * log.high;
  let t_low = fma(times - times_high, log.high, times * log.low);
  let t = t_high + t_low;
  let n = whole_bits(clamp(t, vec4<f32>(-160.0), vec4<f32>(130.0)));
  let r = settled(t_high - whole_number(n)) + t_low;
  let value = scaled(exp_near_0(r * 0.69314718055994531), n);
  let finite = select(value, vec4<f32>(0.0), t < vec4<f32>(-155.0));
  return select(finite, infinity_like(size), t > vec4<f32>(128.5));
}

// Where a or b is 0, infinite or NaN, or a is negative; `power` is |a|**b where that is none of them.
fn special_power(a: vec4<f32>, b: vec4<f32>, power: vec4<f32>) -> vec4<f32> {
  let zero = vec4<f32>(0.0);
  let one = vec4<f32>(1.0);
  let size = abs(a);
  let b_infinite = !is_finite_f32(b);
  let a_extreme = !is_finite_f32(a) | !truth_f32(a);
  let whole = floor(b) == b;
  let odd = whole & (floor(0.5 * b) != 0.5 * b);
  let negative = (bitcast<vec4<u32>>(a) & vec4<u32>(0x80000000u)) != vec4<u32>(0u);
  // The size of the result is 0 or infinite
  let grows = (size > one) != (b < zero);
  let extreme = select(zero, infinity_like(size), grows);
  let magnitude = select(power, extreme, b_infinite | a_extreme);
  let with_sign = select(magnitude, -magnitude, negative & odd & !b_infinite);
  let real = select(with_sign, nan_from(a), negative & !whole & !a_extreme);
  let known = select(select(real, nan_from(b), is_nan_f32(b)), nan_from(a), is_nan_f32(a));
  let of_one = ((a == one) | (b_infinite & !is_nan_f32(b) & (size == one))) & !is_nan_f32(a);
  return select(known, one, !truth_f32(b) | of_one);
}

// a**b as C's pow: 1 for b = 0 and for a = 1; a negative base takes whole exponents only, else NaN.
fn power_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let size = abs(a);
  let few = (floor(b) == b) & (abs(b) < vec4<f32>(16.0));
  var result = vec4<f32>(1.0);
  if (any(few)) {
    let product = whole_power(size, vec4<u32>(min(abs(b), vec4<f32>(15.0))));
    result = select(product, 1.0 / product, b < vec4<f32>(0.0));
  }
  // Products of many factors are exact where all are whole; else they gather errors. The inverse of
  // one that is subnormal, which a GPU may take for 0, is not infinite
  let exact = few & (((abs(b) <= vec4<f32>(4.0)) & (result <= vec4<f32>(8.0e37))) | ((floor(size) == size)
    & (result <= vec4<f32>(16777216.0)) & (b > vec4<f32>(0.0))));
  if (!all(exact)) {
    result = select(general_power(size, b), result, exact);
  }
  let plain = (a > vec4<f32>(0.0)) & is_finite_f32(a) & is_finite_f32(b) & truth_f32(b);
  if (all(plain)) { return result; }
  return special_power(a, b, result);
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
