// Division by numbers that are the same for all invocations, in a few instructions: by the reciprocal in
// float32, whose bits are a param. Where quotients may be too large for that, HUGE_QUOTIENTS is set.

fn quotient(i: u32, d: u32, reciprocal: u32) -> u32 {
  if (HUGE_QUOTIENTS) { return i / d; }
  let guess = u32(f32(i) * bitcast<f32>(reciprocal));
  let rest = bitcast<i32>(i - guess * d);
  return guess + select(select(0u, 1u, rest >= bitcast<i32>(d)), 0xffffffffu, rest < 0);
}
