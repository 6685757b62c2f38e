// Where the weights and slopes of attention lie between the kernels that make them and those that make
// products of them: blocks of EDGE x EDGE, those of a row of blocks behind each other. A part of a pass
// has some lines (batches times query heads), rows (of queries) and columns (of keys); of a triangle the
// blocks above the diagonal are left out.

// How many blocks the rows of the part before this one have.
fn blocks_before(row: u32) -> u32 {
  let rows = row - params.first_row;
  let columns = params.last_column - params.first_column;
  if (params.triangle == 0u) { return rows * columns; }
  let short = min(rows, columns);
  return short * (short + 1u) / 2u + (rows - short) * columns;
}

// The first vector of a block, of a line that is counted from the part's first one.
fn block_start(line: u32, row: u32, column: u32) -> u32 {
  let block = line * params.blocks + blocks_before(row) + column - params.first_column;
  return block * (EDGE * EDGE / 4u);
}

// Where the tops of the rows of a block begin; their sums come next.
fn moments_start(start: u32) -> u32 { return params.beside + start / (EDGE / 2u); }
