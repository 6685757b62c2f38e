// The number next to a on the way to b, by bits: a place in the order of all numbers, one further.
fn order_of(a: vec4<f32>) -> vec4<i32> {
  let size = bitcast<vec4<i32>>(bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu));
  return select(size, -size, bitcast<vec4<i32>>(a) < vec4<i32>(0));
}

fn next_after(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let from_order = order_of(a);
  let to_order = order_of(b);
  let next = from_order + select(vec4<i32>(-1), vec4<i32>(1), to_order > from_order);
  let is_below = select(next < vec4<i32>(0), bitcast<vec4<i32>>(a) < vec4<i32>(0), next == vec4<i32>(0));
  let sign = select(vec4<u32>(0u), vec4<u32>(0x80000000u), is_below);
  let found = bitcast<vec4<f32>>(bitcast<vec4<u32>>(abs(next)) | sign);
  let moved = select(found, b, from_order == to_order);
  return select(moved, nan_from(a), is_nan_f32(a) | is_nan_f32(b));
}
