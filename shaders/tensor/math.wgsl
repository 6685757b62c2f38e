// Functions of 4 numbers for the elementwise family, with numpy's answers for NaN and infinity.
//
// Compilers may assume that there is no NaN, so it is recognised by its bits; they may also reorder
// sums, so what has to be exact goes through a mask of bits, which they do not see through.

// A number below 2 as it is: the bit that is cleared is set from 2 on.
fn settled(a: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(a) & vec4<u32>(0xbfffffffu));
}

fn is_nan_f32(a: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

fn is_nan_i32(a: vec4<i32>) -> vec4<bool> { return vec4<bool>(false); }

// A NaN, made of any number: WGSL has no constant for it.
fn nan_from(a: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(a) | vec4<u32>(0x7fc00000u));
}

// Infinity with the sign of a number.
fn infinity_like(a: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>((bitcast<vec4<u32>>(a) & vec4<u32>(0x80000000u)) | vec4<u32>(0x7f800000u));
}

fn is_finite_f32(a: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(a) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u);
}

fn is_finite_i32(a: vec4<i32>) -> vec4<bool> { return vec4<bool>(true); }

fn is_infinite_f32(a: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu)) == vec4<u32>(0x7f800000u);
}

fn is_infinite_i32(a: vec4<i32>) -> vec4<bool> { return vec4<bool>(false); }

fn sign_bit_f32(a: vec4<f32>) -> vec4<bool> { return bitcast<vec4<i32>>(a) < vec4<i32>(0); }

fn sign_bit_i32(a: vec4<i32>) -> vec4<bool> { return a < vec4<i32>(0); }

fn with_sign_of(size: vec4<f32>, a: vec4<f32>) -> vec4<f32> {
  let sign = bitcast<vec4<u32>>(a) & vec4<u32>(0x80000000u);
  return bitcast<vec4<f32>>((bitcast<vec4<u32>>(size) & vec4<u32>(0x7fffffffu)) | sign);
}

// A number of this size or less is returned as it is by functions with the slope 1 at 0: so they keep
// the sign of 0, and subnormal numbers, which a GPU may take for 0.
const TINY = 1.0e-8;

fn truth_f32(a: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu)) != vec4<u32>(0u);
}

fn truth_i32(a: vec4<i32>) -> vec4<bool> { return a != vec4<i32>(0); }

fn equal_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<bool> {
  return (a == b) & !(is_nan_f32(a) | is_nan_f32(b));
}

fn equal_i32(a: vec4<i32>, b: vec4<i32>) -> vec4<bool> { return a == b; }

fn less_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<bool> {
  return (a < b) & !(is_nan_f32(a) | is_nan_f32(b));
}

fn less_i32(a: vec4<i32>, b: vec4<i32>) -> vec4<bool> { return a < b; }

fn at_most_f32(a: vec4<f32>, b: vec4<f32>) -> vec4<bool> {
  return (a <= b) & !(is_nan_f32(a) | is_nan_f32(b));
}

fn at_most_i32(a: vec4<i32>, b: vec4<i32>) -> vec4<bool> { return a <= b; }

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

fn ceil_f32(a: vec4<f32>) -> vec4<f32> { return ceil(a); }

fn ceil_i32(a: vec4<i32>) -> vec4<i32> { return a; }

fn trunc_f32(a: vec4<f32>) -> vec4<f32> { return trunc(a); }

fn trunc_i32(a: vec4<i32>) -> vec4<i32> { return a; }

fn round_f32(a: vec4<f32>) -> vec4<f32> { return round(a); }

fn round_i32(a: vec4<i32>) -> vec4<i32> { return a; }

// a / b. Drivers multiply by 1 / b, which underflows for |b| above 2**126.
fn divide(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let scale = select(vec4<f32>(1.0), vec4<f32>(0.00390625), abs(b) > vec4<f32>(1.0e36));
  return (a * scale) / (b * scale);
}

// The nearest int32 of a float, towards zero; 0 of NaN.
fn to_int32(a: vec4<f32>) -> vec4<i32> {
  let inside = clamp(a, vec4<f32>(-2147483648.0), vec4<f32>(2147483520.0));
  let number = select(vec4<i32>(inside), vec4<i32>(2147483647), a >= vec4<f32>(2147483648.0));
  return select(number, vec4<i32>(0), is_nan_f32(a));
}

fn to_uint8(a: vec4<f32>) -> vec4<i32> {
  let inside = clamp(a, vec4<f32>(0.0), vec4<f32>(255.0));
  return select(vec4<i32>(inside), vec4<i32>(0), is_nan_f32(a));
}

// The float16 next to each number, as a store makes it: of 11 bits, subnormal ones multiples of 2**-24.
// In integers, since compilers leave out what unpacks a number that was packed.
fn rounded_to_half(a: vec4<f32>) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(a);
  let size = bits & vec4<u32>(0x7fffffffu);
  let odd = (size >> vec4<u32>(13u)) & vec4<u32>(1u);
  let nearest = (size + vec4<u32>(0xfffu) + odd) & vec4<u32>(0xffffe000u);
  let usual = select(nearest, vec4<u32>(0x7f800000u), nearest >= vec4<u32>(0x47800000u));
  let small = bitcast<vec4<u32>>(round(abs(a) * 16777216.0) * 5.9604644775390625e-8);
  let number = select(usual, small, size < vec4<u32>(0x38800000u));
  let result = select(number, size, is_nan_f32(a)) | (bits & vec4<u32>(0x80000000u));
  return bitcast<vec4<f32>>(result);
}

fn pack_bytes(v: vec4<i32>) -> u32 {
  let b = bitcast<vec4<u32>>(v) & vec4<u32>(255u);
  return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}
