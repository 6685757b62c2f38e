// Where the weights and slopes of attention lie between the kernels that make them, a workgroup a block,
// and those that make products of them: blocks of EDGE x EDGE, those of a block of queries behind each
// other, with CAUSAL without those above the diagonal. A part of a pass has some lines (batches times
// query heads) and some blocks of queries: `blocks` of each line, from `first_block` on.

struct Strip { line: u32, row: u32, half: u32, start: u32, end: u32 }

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

// The line of the part, and the blocks of its queries and keys that a workgroup makes.
fn find_strip(number: u32) -> Strip {
  let strip = number % params.strips;
  let rows = params.last_block - params.first_block;
  let halves = EDGE / ROWS;
  let half = number / params.strips % halves;
  let row = params.first_block + number / params.strips / halves % rows;
  let last = select(params.key_blocks, min(params.key_blocks, row + 1u), CAUSAL);
  let line = number / params.strips / halves / rows;
  return Strip(line, row, half, strip * STRIP, min(last, (strip + 1u) * STRIP));
}
