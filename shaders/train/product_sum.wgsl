// sum += times * left * right, exactly, as loss_sum.wgsl adds a single number: the sum is a two's
// complement integer of LIMBS words, the lowest first, here in units of 2**-298, the square of the
// smallest float32. The lowest bit of the word behind them says that a factor was not finite.

struct Params { left_offset: u32, right_offset: u32, sum_offset: u32, times: u32 }

@group(0) @binding(0) var<storage, read> left: array<u32>;  // the bits of a float32
@group(0) @binding(1) var<storage, read> right: array<u32>;
@group(0) @binding(2) var<storage, read_write> sum: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

fn exponent(bits: u32) -> u32 { return (bits >> 23u) & 0xffu; }

fn mantissa(bits: u32) -> u32 {
  return (bits & 0x7fffffu) | select(0u, 0x800000u, exponent(bits) != 0u);
}

@compute @workgroup_size(1)
fn main() {
  let a = left[params.left_offset];
  let b = right[params.right_offset];
  let at = params.sum_offset;
  if (max(exponent(a), exponent(b)) == 0xffu) {
    sum[at + LIMBS] |= 1u;
    return;
  }
  let both = product(mantissa(a), mantissa(b));
  let low = product(both.x, params.times);
  let high = product(both.y, params.times);
  let middle = low.y + high.x;
  let number = vec3(low.x, middle, high.y + u32(middle < low.y));
  let shift = max(exponent(a), 1u) + max(exponent(b), 1u) - 2u;
  let first = shift / 32u;
  let up = number << vec3(shift % 32u);
  let over = (number >> vec3(1u)) >> vec3(31u - shift % 32u);
  var words = array(up.x, up.y | over.x, up.z | over.y, over.z);
  let negative = (a ^ b) >> 31u;
  let flip = 0u - negative;  // -x = ~x + 1; the words below the first stay as they are
  var carry = negative;
  for (var k = first; k < LIMBS; k++) {
    var part = flip;
    if (k - first < 4u) { part ^= words[k - first]; }
    let old = sum[at + k];
    let total = old + part;
    sum[at + k] = total + carry;
    carry = u32(total < old) | u32(total + carry < total);
  }
}
