// Scores of attention: which of them count, masks, dropout and weights, for tiles of ROWS rows and
// COLUMNS columns, queries and keys or keys and queries (KEYS_ARE_ROWS).
//
// An invocation has blocks of 4 x 4 of a tile: rows 4 * row_vector(ty, p) and columns
// column_of(tx, q) and the three behind each. Weights lie in lines of rows, a line for each column,
// and are turned by the number of their column, so that invocations that write their columns at the
// same time do not meet in a bank.

const LANES = vec4<u32>(0u, 1u, 2u, 3u);
const LOWEST = -3.4028234e38;
const LOG2_E = 1.4426950408889634;

struct Place { batch: u32, head: u32, first: u32 }

// Which head and which first row a workgroup has: those with the most to do begin first.
fn find_place(number: u32) -> Place {
  let heads = params.batches * params.heads;
  var head = number / params.blocks;
  var block = number % params.blocks;
  if (CAUSAL) {
    head = number % heads;
    block = number / heads;
    if (!KEYS_ARE_ROWS) { block = params.blocks - 1u - block; }
  }
  return Place(head / params.heads, head % params.heads, block * ROWS);
}

// exp(score - top). The driver's own exp2 is exact to a few units in the last place of 1, which is
// what the sum of a row is measured by.
fn weight(score: vec4<f32>, top: vec4<f32>) -> vec4<f32> { return exp2((score - top) * LOG2_E); }

fn max4(v: vec4<f32>) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }

fn sum4(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }

fn row_vector(ty: u32, p: u32) -> u32 { return p * TY + ty; }

// The first of the 4 columns of an invocation's chunk.
fn column_of(tx: u32, q: u32) -> u32 { return (q * TX + tx) * 4u; }

// Where the weights of 4 rows lie in a column.
fn weight_at(column: u32, vector: u32) -> u32 {
  return column * ROW_VECTORS + (vector ^ (column / 4u % 8u));
}

// Which of the scores of row and 4 columns count at all.
fn counts(row: u32, column: u32) -> vec4<bool> {
  let rows = vec4<u32>(row);
  let columns = column + LANES;
  let queries = select(rows, columns, KEYS_ARE_ROWS);
  let keys = select(columns, rows, KEYS_ARE_ROWS);
  let inside = (queries < vec4<u32>(params.queries)) & (keys < vec4<u32>(params.keys));
  return inside & ((keys <= queries) | vec4<bool>(!CAUSAL));
}

// Scores with the mask, minus infinity (params.none) where a key takes no part.
fn masked(scores: vec4<f32>, row: u32, column: u32, mask_base: u32) -> vec4<f32> {
  var result = scores;
  if (MASKED) {
    let rows = vec4<u32>(row);
    let columns = column + LANES;
    let queries = min(select(rows, columns, KEYS_ARE_ROWS), vec4<u32>(params.queries - 1u));
    let keys = min(select(columns, rows, KEYS_ARE_ROWS), vec4<u32>(params.keys - 1u));
    let at = mask_base + queries * params.mask_row + keys * params.mask_column;
    result = with_mask(
      scores, vec4<f32>(mask_at(at.x), mask_at(at.y), mask_at(at.z), mask_at(at.w)));
  }
  return select(vec4<f32>(params.none), result, counts(row, column));
}

// Whether a tile reaches past an edge, or over the diagonal, or has a mask.
fn is_ragged(first_row: u32, first_column: u32) -> bool {
  let rows = select(params.queries, params.keys, KEYS_ARE_ROWS);
  let columns = select(params.keys, params.queries, KEYS_ARE_ROWS);
  let past = first_row + ROWS > rows || first_column + COLUMNS > columns;
  let over = select(
    first_column + COLUMNS > first_row + 1u, first_row + ROWS > first_column + 1u, KEYS_ARE_ROWS);
  return MASKED || past || (CAUSAL && over);
}

// What dropout multiplies the weights of row and 4 columns by.
fn kept(row: u32, column: u32, line: u32) -> vec4<f32> {
  let rows = vec4<u32>(row);
  let columns = column + LANES;
  let queries = select(rows, columns, KEYS_ARE_ROWS);
  let keys = select(columns, rows, KEYS_ARE_ROWS);
  let index = (line * params.queries + queries) * params.keys + keys;
  return vec4<f32>(kept_at(index.x), kept_at(index.y), kept_at(index.z), kept_at(index.w));
}

