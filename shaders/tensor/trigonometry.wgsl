// Sines of 4 numbers of any size. Put behind math.wgsl. Drivers' own are coarse, and worse for large
// arguments.

const FAR = 1000.0;

// What is left of a large number after whole quarter turns, in radians, and their number modulo 4:
// the bits of a * 2 / pi around its point, a product of integers (Payne and Hanek, 1983).
struct Turned { rest: f32, quarters: i32 }

// The upper 32 bits of a product.
fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let first = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let second = (a & 0xffffu) * (b >> 16u) + (first & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (first >> 16u) + (second >> 16u);
}

fn turned(a: f32) -> Turned {
  // The binary digits of 2 / pi, behind 32 zeros
  var digits = array<u32, 8>(
    0u, 0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0x7f9458eau);
  let bits = bitcast<u32>(a);
  let mantissa = ((bits & 0x7fffffu) | 0x800000u) << 8u;
  let place = min(i32((bits >> 23u) & 255u) - 126, 128);
  let word = u32(place) >> 5u;
  let shift = u32(place) & 31u;
  var window = vec3<u32>(digits[word], digits[word + 1u], digits[word + 2u]);
  if (shift > 0u) {
    let following = vec3<u32>(window.y, window.z, digits[word + 3u]);
    window = (window << vec3<u32>(shift)) | (following >> vec3<u32>(32u - shift));
  }
  let carried = mantissa * window.y + multiply_high(mantissa, window.z);
  let carry = select(0u, 1u, carried < mantissa * window.y);
  let upper = mantissa * window.x + multiply_high(mantissa, window.y) + carry;
  // Two bits of quarter turns, then the fraction, taken from the nearest quarter
  let up = ((upper >> 29u) & 1u) != 0u;
  var quarters = i32(upper >> 30u);
  var high = upper & 0x3fffffffu;
  var low = carried;
  if (up) {
    quarters += 1;
    low = ~carried + 1u;
    high = (~upper & 0x3fffffffu) + select(0u, 1u, low == 0u);
  }
  let size = 1.4629180792671596e-9 * f32(high) + 3.4061215800304e-19 * f32(low);
  let negative = bits > 0x80000000u;
  return Turned(select(size, -size, up != negative), select(quarters, -quarters, negative));
}

// sin(a + quarter turns): Cody and Waite's reduction to [-pi/4, pi/4], polynomials of Cephes' sinf
// and cosf.
fn sine_shifted(a: vec4<f32>, turns: i32) -> vec4<f32> {
  let far = abs(a) > vec4<f32>(FAR);
  let near = select(a, vec4<f32>(0.0), far);
  let n = round(near * 0.63661977236758134);
  var r = settled(fma(n, vec4<f32>(-1.5703125), near));
  r = settled(fma(n, vec4<f32>(-4.837512969970703125e-4), r));
  r = fma(n, vec4<f32>(-7.54978995489188216e-8), r);
  var quarter = vec4<i32>(n) + vec4<i32>(turns);
  if (any(far)) {
    for (var k = 0u; k < 4u; k++) {
      let found = turned(a[k]);
      r[k] = select(r[k], found.rest, far[k]);
      quarter[k] = select(quarter[k], found.quarters + turns, far[k]);
    }
  }
  let z = r * r;
  var s = fma(vec4<f32>(-1.9515295891e-4), z, vec4<f32>(8.3321608736e-3));
  s = fma(fma(s, z, vec4<f32>(-1.6666654611e-1)) * z, r, r);
  var c = fma(vec4<f32>(2.443315711809948e-5), z, vec4<f32>(-1.388731625493765e-3));
  c = fma(c, z, vec4<f32>(4.166664568298827e-2));
  c = fma(c, z * z, fma(vec4<f32>(-0.5), z, vec4<f32>(1.0)));
  let value = select(s, c, (quarter & vec4<i32>(1)) != vec4<i32>(0));
  let turned = select(value, -value, (quarter & vec4<i32>(2)) != vec4<i32>(0));
  return select(nan_from(a), turned, is_finite_f32(a));
}

fn sine(a: vec4<f32>) -> vec4<f32> { return select(sine_shifted(a, 0), a, abs(a) < vec4<f32>(TINY)); }

fn cosine(a: vec4<f32>) -> vec4<f32> { return sine_shifted(a, 1); }
