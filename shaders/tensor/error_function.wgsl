// The error function of 4 numbers and its complement. Put behind normal.wgsl.

// A polynomial in the square of the argument below 1, fitted within 7e-8.
fn error_function(a: vec4<f32>) -> vec4<f32> {
  let size = abs(a);
  let z = min(size, vec4<f32>(1.0)) * min(size, vec4<f32>(1.0));
  var p = fma(vec4<f32>(7.853858e-5), z, vec4<f32>(-8.0101925e-4));
  p = fma(p, z, vec4<f32>(5.1883277e-3));
  p = fma(p, z, vec4<f32>(-2.6853811e-2));
  p = fma(p, z, vec4<f32>(1.12835854e-1));
  p = fma(p, z, vec4<f32>(-3.7612626e-1));
  p = fma(p, z, vec4<f32>(1.12837917));
  let deviation = min(1.4142135623730951 * size, vec4<f32>(13.2));
  let far = 1.0 - 2.0 * normal_ratio(deviation) * normal_falloff(deviation);
  let value = select(p * a, with_sign_of(far, a), size > vec4<f32>(1.0));
  return select(value, a, is_nan_f32(a));
}

// exp(-a * a) for 0 <= a <= 9.3; the square is taken in two parts, so that it is not rounded.
fn gaussian(a: vec4<f32>) -> vec4<f32> {
  let high = bitcast<vec4<f32>>(bitcast<vec4<u32>>(a) & vec4<u32>(0xfffff000u));
  let low = (a - high) * (a + high);
  let n = whole_bits(-1.4426950408889634 * a * a);
  let number = whole_number(n);
  let near = settled(fma(number, vec4<f32>(-0.693359375), -high * high));
  let p = exp_near_0(fma(number, vec4<f32>(2.12194440e-4), near) - low);
  return p * bitcast<vec4<f32>>((n << vec4<u32>(23u)) + vec4<u32>(0x3f800000u));
}

// 1 - erf(a), with its digits in the tail; 0 where it is subnormal.
fn complementary_error_function(a: vec4<f32>) -> vec4<f32> {
  let size = min(abs(a), vec4<f32>(9.3));
  let beyond = 2.0 * normal_ratio(1.4142135623730951 * size) * gaussian(size);
  let tail = select(beyond, vec4<f32>(0.0), abs(a) > vec4<f32>(9.1945));
  return select(select(tail, 2.0 - tail, a < vec4<f32>(0.0)), a, is_nan_f32(a));
}

fn error_function_slope(a: vec4<f32>) -> vec4<f32> {
  let size = min(abs(a), vec4<f32>(9.3));
  let slope = 1.1283791670955126 * gaussian(size);
  return select(select(slope, vec4<f32>(0.0), abs(a) > vec4<f32>(9.29)), a, is_nan_f32(a));
}
