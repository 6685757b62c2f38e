// sum += times * loss, exactly: the sum is a two's complement integer of LIMBS words, the lowest
// first, in units of 2**-149, the smallest float32. Integers, because no compiler reorders them. The
// word behind them remembers what no integer is: 1 a NaN, 2 infinity, 4 minus infinity; its other
// bits count the losses before the first of those.

struct Params { loss_offset: u32, sum_offset: u32, times: u32 }

@group(0) @binding(0) var<storage, read> loss: array<u32>;  // the bits of a float32
@group(0) @binding(1) var<storage, read_write> sum: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
  let bits = loss[params.loss_offset];
  let at = params.sum_offset;
  let negative = bits >> 31u;
  let exponent = (bits >> 23u) & 0xffu;
  let fraction = bits & 0x7fffffu;
  if (exponent == 0xffu) {
    sum[at + LIMBS] |= select(2u << negative, 1u, fraction != 0u);
    return;
  }
  if ((sum[at + LIMBS] & 7u) == 0u) { sum[at + LIMBS] += 8u; }
  var before: array<u32, LIMBS>;  // all of them first: what waits for the one before is slow
  for (var k = 0u; k < LIMBS; k++) { before[k] = sum[at + k]; }
  let mantissa = product(fraction | select(0u, 0x800000u, exponent != 0u), params.times);
  let shift = max(exponent, 1u) - 1u;
  let first = shift / 32u;
  let low = mantissa << vec2(shift % 32u);
  let high = (mantissa >> vec2(1u)) >> vec2(31u - shift % 32u);
  var words = array(low.x, low.y | high.x, high.y);
  let flip = 0u - negative;  // -x = ~x + 1; the words below the first stay as they are
  var carry = negative;
  for (var k = first; k < LIMBS; k++) {
    var part = flip;
    if (k - first < 3u) { part ^= words[k - first]; }
    let old = before[k];
    let total = old + part;
    sum[at + k] = total + carry;
    carry = u32(total < old) | u32(total + carry < total);
  }
}
