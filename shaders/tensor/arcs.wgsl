// Inverse trigonometric functions of 4 numbers, and the tangent. Polynomials in the square of the
// argument, fitted within 6e-8. Put behind trigonometry.wgsl.

const HALF_PI = 1.57079637050628662;
const HALF_PI_REST = -4.37113883e-8;

// pi / 2 - a and pi - a, with the digits of pi that a float32 does not hold.
fn right_angle_less(a: vec4<f32>) -> vec4<f32> { return (HALF_PI - a) + HALF_PI_REST; }

fn straight_angle_less(a: vec4<f32>) -> vec4<f32> { return (2.0 * HALF_PI - a) + 2.0 * HALF_PI_REST; }

fn tangent(a: vec4<f32>) -> vec4<f32> {
  return select(divide(sine(a), cosine(a)), a, abs(a) < vec4<f32>(TINY));
}

// asin(a) for |a| up to 1/2.
fn arc_sine_near_0(a: vec4<f32>) -> vec4<f32> {
  let z = a * a;
  var p = fma(vec4<f32>(3.3799652e-2), z, vec4<f32>(1.7081691e-2));
  p = fma(p, z, vec4<f32>(3.1115312e-2));
  p = fma(p, z, vec4<f32>(4.459811e-2));
  p = fma(p, z, vec4<f32>(7.500099e-2));
  p = fma(p, z, vec4<f32>(1.6666666e-1));
  return fma(p * z, a, a);
}

// Beyond 1/2: asin(a) = pi / 2 - 2 * asin(sqrt((1 - a) / 2)).
fn arc_sine(a: vec4<f32>) -> vec4<f32> {
  let size = abs(a);
  let far = size > vec4<f32>(0.5);
  let near = arc_sine_near_0(select(size, sqrt(max(0.5 * (1.0 - size), vec4<f32>(0.0))), far));
  let value = with_sign_of(select(near, right_angle_less(2.0 * near), far), a);
  let inside = select(value, a, size < vec4<f32>(TINY));
  return select(inside, nan_from(a), (size > vec4<f32>(1.0)) | is_nan_f32(a));
}

fn arc_cosine(a: vec4<f32>) -> vec4<f32> {
  let size = abs(a);
  let far = size > vec4<f32>(0.5);
  let near = arc_sine_near_0(select(a, sqrt(max(0.5 * (1.0 - size), vec4<f32>(0.0))), far));
  let of_far = select(2.0 * near, straight_angle_less(2.0 * near), a < vec4<f32>(0.0));
  let value = select(right_angle_less(near), of_far, far);
  return select(value, nan_from(a), (size > vec4<f32>(1.0)) | is_nan_f32(a));
}

// atan(a) for 0 <= a <= 1; beyond tan(pi / 8) it is pi / 4 + atan((a - 1) / (a + 1)).
fn arc_tangent_to_1(a: vec4<f32>) -> vec4<f32> {
  let far = a > vec4<f32>(0.41421356);
  let t = select(a, (a - 1.0) / (a + 1.0), far);
  let z = t * t;
  var p = fma(vec4<f32>(-6.4563856e-2), z, vec4<f32>(1.074527e-1));
  p = fma(p, z, vec4<f32>(-1.4264122e-1));
  p = fma(p, z, vec4<f32>(1.9999546e-1));
  p = fma(p, z, vec4<f32>(-3.3333333e-1));
  return fma(p * z, t, t) + select(vec4<f32>(0.0), vec4<f32>(0.78539816339744831), far);
}

fn arc_tangent(a: vec4<f32>) -> vec4<f32> {
  let size = abs(a);
  let steep = size > vec4<f32>(1.0);
  let near = arc_tangent_to_1(select(size, divide(vec4<f32>(1.0), size), steep));
  let value = with_sign_of(select(near, right_angle_less(near), steep), a);
  return select(value, a, (size < vec4<f32>(TINY)) | is_nan_f32(a));
}

// The angle of the point (x, y). Where both are subnormal they are read as integers.
fn arc_tangent_2(y: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
  let x_bits = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
  let y_bits = bitcast<vec4<u32>>(y) & vec4<u32>(0x7fffffffu);
  let steep = y_bits > x_bits;
  let large_bits = max(x_bits, y_bits);
  let small_bits = min(x_bits, y_bits);
  let tiny = large_bits < vec4<u32>(0x00800000u);
  let large = select(bitcast<vec4<f32>>(large_bits), vec4<f32>(large_bits), tiny);
  let small = select(bitcast<vec4<f32>>(small_bits), vec4<f32>(small_bits), tiny);
  let ratio = select(divide(small, large), vec4<f32>(1.0), small_bits == vec4<u32>(0x7f800000u));
  let near = arc_tangent_to_1(select(ratio, vec4<f32>(0.0), large_bits == vec4<u32>(0u)));
  let up = select(near, right_angle_less(near), steep);
  let backward = (bitcast<vec4<u32>>(x) & vec4<u32>(0x80000000u)) != vec4<u32>(0u);
  let value = with_sign_of(select(up, straight_angle_less(up), backward), y);
  return select(select(value, nan_from(y), is_nan_f32(y)), nan_from(x), is_nan_f32(x));
}

// sqrt(a * a + b * b) without overflow; infinite beside NaN too, as in C.
fn hypotenuse(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let large = max(abs(a), abs(b));
  let ratio = divide(min(abs(a), abs(b)), select(large, vec4<f32>(1.0), large == vec4<f32>(0.0)));
  let value = select(large * sqrt(fma(ratio, ratio, vec4<f32>(1.0))), nan_from(a), is_nan_f32(a));
  let known = select(value, nan_from(b), is_nan_f32(b));
  return select(known, infinity_like(abs(a)), is_infinite_f32(a) | is_infinite_f32(b));
}
