// What exact sums of numbers and of products are made of.

fn product(a: u32, b: u32) -> vec2<u32> {  // its 64 bits, the low ones first
  let low = (a & 0xffffu) * (b & 0xffffu);
  let left = (a >> 16u) * (b & 0xffffu);
  let right = (a & 0xffffu) * (b >> 16u);
  let middle = (low >> 16u) + (left & 0xffffu) + (right & 0xffffu);
  let high = (a >> 16u) * (b >> 16u) + (left >> 16u) + (right >> 16u) + (middle >> 16u);
  return vec2((low & 0xffffu) | (middle << 16u), high);
}
