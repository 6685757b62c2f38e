// Where the weights and slopes of attention lie between attention_slopes.wgsl, which makes them, and
// attention_products.wgsl: blocks of EDGE x EDGE, those of a block of queries behind each other, with
// CAUSAL without those above the diagonal. A part of a backward pass has some lines (batches times
// query heads) and some blocks of queries: `blocks` of each line, from `first_block` on.

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
