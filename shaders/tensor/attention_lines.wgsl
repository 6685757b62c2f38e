// Slices of the products of blocks: of a block, and of the lines of the other side, on their way through
// registers to workgroup memory.

const LINE_BLOCKS = SLICE * COLUMN_VECTORS;
const LINE_LOADS = (LINE_BLOCKS + THREADS - 1u) / THREADS;

// From row `inner` of a block on, or from column `inner` with `along`.
fn fetch_block(
  start: u32, inner: u32, along: bool, local: u32,
  next: ptr<function, array<vec4<f32>, 4u * LEFT_LOADS>>,
) {
  for (var i = 0u; i < LEFT_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (LEFT_BLOCKS % THREADS == 0u || t < LEFT_BLOCKS) {
      let depth = inner + block_depth(t);
      let across = 4u * block_vector(t);
      let at = start + (select(depth, across, along) * EDGE + select(across, depth, along)) / 4u;
      for (var j = 0u; j < 4u; j++) {  // unroll
        (*next)[4u * i + j] = blocks[at + j * (EDGE / 4u)];
      }
    }
  }
}

fn store_lines(local: u32, buffer: u32, next: ptr<function, array<vec4<f32>, LINE_LOADS>>) {
  for (var i = 0u; i < LINE_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (LINE_BLOCKS % THREADS == 0u || t < LINE_BLOCKS) {
      right[buffer * RIGHT_SLICE + t] = (*next)[i];
    }
  }
}
