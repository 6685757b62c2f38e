// Scores of attention: which of them count, masks, dropout and weights, for tiles of ROWS queries and
// COLUMNS keys.

const LANES = vec4<u32>(0u, 1u, 2u, 3u);

fn max4(v: vec4<f32>) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }

fn sum4(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }

// Which of the scores of row and 4 columns count at all.
fn counts(row: u32, column: u32) -> vec4<bool> {
  let keys = column + LANES;
  let inside = (vec4<u32>(row) < vec4<u32>(params.queries)) & (keys < vec4<u32>(params.keys));
  return inside & ((keys <= vec4<u32>(row)) | vec4<bool>(!CAUSAL));
}

// Scores with the mask, minus infinity (params.none) where a key takes no part.
fn masked(scores: vec4<f32>, row: u32, column: u32, mask_base: u32) -> vec4<f32> {
  var result = scores;
  if (MASKED) {
    let keys = min(column + LANES, vec4<u32>(params.keys - 1u));
    let at = mask_base + min(row, params.queries - 1u) * params.mask_row + keys * params.mask_column;
    result = with_mask(
      scores, vec4<f32>(mask_at(at.x), mask_at(at.y), mask_at(at.z), mask_at(at.w)));
  }
  return select(vec4<f32>(params.none), result, counts(row, column));
}

// Whether a tile reaches past an edge, or over the diagonal, or has a mask.
fn is_ragged(first_row: u32, first_column: u32) -> bool {
  let past = first_row + ROWS > params.queries || first_column + COLUMNS > params.keys;
  return MASKED || past || (CAUSAL && first_column + COLUMNS > first_row + 1u);
}

// What dropout multiplies the weights of row and 4 columns by.
fn kept(row: u32, column: u32, line: u32) -> vec4<f32> {
  let index = (line * params.queries + row) * params.keys + column + LANES;
  return vec4<f32>(kept_at(index.x), kept_at(index.y), kept_at(index.z), kept_at(index.w));
}

// Products of a tile, made scores: scaled, and masked where the tile is not whole.
fn score(
  first_row: u32, first_column: u32, tx: u32, ty: u32, mask: u32,
  sums: ptr<function, array<vec4<f32>, SUMS>>,
) {
  for (var i = 0u; i < SUMS; i++) {  // unroll
    (*sums)[i] *= params.scale;
  }
  if (is_ragged(first_row, first_column)) {
    for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
      for (var c = 0u; c < 4u; c++) {  // unroll
        for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
          (*sums)[(4u * p + c) * COLUMN_CHUNKS + q] = masked(
            (*sums)[(4u * p + c) * COLUMN_CHUNKS + q],
            first_row + 4u * row_vector(ty, p) + c, first_column + column_of(tx, q), mask);
        }
      }
    }
  }
}

// Weights of a tile, or their gradients, times what dropout multiplies them by.
fn drop(
  first_row: u32, first_column: u32, tx: u32, ty: u32, line: u32,
  sums: ptr<function, array<vec4<f32>, SUMS>>,
) {
  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    for (var c = 0u; c < 4u; c++) {  // unroll
      for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
        (*sums)[(4u * p + c) * COLUMN_CHUNKS + q] *= kept(
          first_row + 4u * row_vector(ty, p) + c, first_column + column_of(tx, q), line);
      }
    }
  }
}
