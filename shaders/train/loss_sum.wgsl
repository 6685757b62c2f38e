// sum += loss, exactly: the sum is a two's complement integer of LIMBS words, the lowest first, in
// units of 2**-149, the smallest float32. Integers, because no compiler reorders them. The word behind
// them remembers what no integer is: 1 a NaN, 2 infinity, 4 minus infinity.

struct Params { loss_offset: u32, sum_offset: u32 }

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
  let mantissa = fraction | select(0u, 0x800000u, exponent != 0u);
  let shift = max(exponent, 1u) - 1u;
  let first = shift / 32u;
  let low = mantissa << (shift % 32u);
  let high = (mantissa >> 1u) >> (31u - shift % 32u);
  let flip = 0u - negative;  // -x = ~x + 1; the words below the first stay as they are
  var carry = negative;
  for (var k = first; k < LIMBS; k++) {
    let part = select(select(0u, high, k == first + 1u), low, k == first) ^ flip;
    let old = sum[at + k];
    let total = old + part;
    sum[at + k] = total + carry;
    carry = u32(total < old) | u32(total + carry < total);
  }
}
