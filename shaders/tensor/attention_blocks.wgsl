// Where the weights and slopes of attention lie between the kernels that make them, a workgroup a block,
// and those that make products of them: blocks of EDGE x EDGE, those of a block of queries behind each
// other, with CAUSAL without those above the diagonal. A part of a pass has some lines (batches times
// query heads) and some blocks of queries: `blocks` of each line, from `first_block` on.

struct Block { line: u32, row: u32, column: u32 }

// How many blocks the queries before this block of queries have.
fn blocks_before(row: u32) -> u32 {
  if (!CAUSAL) { return row * params.key_blocks; }
  let short = min(row, params.key_blocks);
  return short * (short + 1u) / 2u + (row - short) * params.key_blocks;
}

// The first vector of a block, of a line that is counted from the part's first one.
fn block_start(line: u32, row: u32, column: u32) -> u32 {
  let block = line * params.blocks + blocks_before(row) - blocks_before(params.first_block) + column;
  return block * (EDGE * EDGE / 4u);
}

// Where the tops of the rows of a block begin; their sums come next.
fn moments_start(start: u32) -> u32 { return params.beside + start / (EDGE / 2u); }

// The line of the part, and the block of its queries and keys.
fn find_block(number: u32) -> Block {
  let line = number / params.blocks;
  let block = number % params.blocks + blocks_before(params.first_block);
  let short = blocks_before(params.key_blocks);
  if (!CAUSAL || block >= short) {
    let rest = select(block, block - short, CAUSAL);
    let row = rest / params.key_blocks + select(0u, params.key_blocks, CAUSAL);
    return Block(line, row, rest % params.key_blocks);
  }
  var row = u32((sqrt(f32(8u * block + 1u)) - 1.0) * 0.5);
  if (row * (row + 1u) / 2u > block) { row -= 1u; }
  if ((row + 1u) * (row + 2u) / 2u <= block) { row += 1u; }
  return Block(line, row, block - row * (row + 1u) / 2u);
}
