// Slices of one of the arrays that attention reads, on their way to registers; behind
// attention_operand.wgsl, and written as often.

fn side_fetch_left(
  start: u32, first: u32, d: u32, local: u32,
  next: ptr<function, array<vec4<f32>, 4u * LEFT_LOADS>>,
) {
  for (var i = 0u; i < LEFT_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (LEFT_BLOCKS % THREADS == 0u || t < LEFT_BLOCKS) {
      let row = first + 4u * block_vector(t);
      for (var j = 0u; j < 4u; j++) {  // unroll
        (*next)[4u * i + j] = side_at(start, row + j, d + block_depth(t));
      }
    }
  }
}

fn side_fetch_right(
  start: u32, first: u32, d: u32, local: u32,
  next: ptr<function, array<vec4<f32>, 4u * RIGHT_LOADS>>,
) {
  for (var i = 0u; i < RIGHT_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (RIGHT_BLOCKS % THREADS == 0u || t < RIGHT_BLOCKS) {
      let row = first + 4u * block_vector(t);
      for (var j = 0u; j < 4u; j++) {  // unroll
        (*next)[4u * i + j] = side_at(start, row + j, d + block_depth(t));
      }
    }
  }
}
