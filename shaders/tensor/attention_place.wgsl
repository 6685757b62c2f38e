// Which block of attention a workgroup makes; behind attention_blocks.wgsl.

struct Block { line: u32, row: u32, column: u32, half: u32 }

// The block of the part, and which half of its rows.
fn find_block(number: u32) -> Block {
  const HALVES = EDGE / ROWS;
  let line = number / (HALVES * params.blocks);
  let block = number / HALVES % params.blocks;
  let columns = params.last_column - params.first_column;
  var row = block / columns;
  var column = block % columns;
  if (params.triangle != 0u) {
    let short = columns * (columns + 1u) / 2u;
    if (block < short) {
      row = u32((sqrt(f32(8u * block + 1u)) - 1.0) * 0.5);
      if (row * (row + 1u) / 2u > block) { row -= 1u; }
      if ((row + 1u) * (row + 2u) / 2u <= block) { row += 1u; }
      column = block - row * (row + 1u) / 2u;
    } else {
      row = columns + (block - short) / columns;
      column = (block - short) % columns;
    }
  }
  return Block(line, params.first_row + row, params.first_column + column, number % HALVES);
}
