// a * scale where u is at least p, else 0. Through masks of bits, so that compilers join the product
// with nothing that stands before it or behind it: an element has the same bits in every kernel.
fn dropped(a: vec4<f32>, u: vec4<f32>, p: vec4<f32>, scale: vec4<f32>) -> vec4<f32> {
  let kept = select(vec4<u32>(0u), vec4<u32>(0xffffffffu), u >= p);
  let chosen = bitcast<vec4<f32>>(bitcast<vec4<u32>>(a) & kept);
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(chosen * scale) & kept);
}
