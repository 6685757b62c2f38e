// What the attention kernels share: tiles of scores in registers, and how they are multiplied.
//
// A workgroup owns ROWS rows, queries or keys, and walks the others, COLUMNS at a time. TX x TY
// invocations keep ROW_CHUNKS x COLUMN_CHUNKS blocks of 4 x 4 scores each, and ROW_CHUNKS x
// SIZE_CHUNKS blocks of what is summed up for the rows, SIZE numbers wide: the size of a head, filled
// up with zeros.
//
// Scores are products along the head: slices of SLICE numbers of both sides go through workgroup
// memory, turned so that rows and columns lie side by side there (`left`, `right`). Weights, which are
// made of scores, are multiplied along the columns: they lie in `weights`, a line of rows for each
// column, and slices of SLICE lines of the other side in `right` as they are. The next slice is
// fetched into registers while one is multiplied.

const THREADS = TX * TY;
const ROW_VECTORS = TY * ROW_CHUNKS;
const COLUMN_VECTORS = TX * COLUMN_CHUNKS;
const SIZE_VECTORS = TX * SIZE_CHUNKS;
const ROWS = 4u * ROW_VECTORS;
const COLUMNS = 4u * COLUMN_VECTORS;
const SIZE = 4u * SIZE_VECTORS;
const SUMS = 4u * ROW_CHUNKS * COLUMN_CHUNKS;
const OUTPUTS = 4u * ROW_CHUNKS * SIZE_CHUNKS;
const LEFT_BLOCKS = ROW_VECTORS * SLICE / 4u;
const RIGHT_BLOCKS = COLUMN_VECTORS * SLICE / 4u;
const LINE_BLOCKS = SLICE * SIZE_VECTORS;
const LEFT_LOADS = (LEFT_BLOCKS + THREADS - 1u) / THREADS;
const RIGHT_LOADS = (RIGHT_BLOCKS + THREADS - 1u) / THREADS;
const LINE_LOADS = (LINE_BLOCKS + THREADS - 1u) / THREADS;
var<workgroup> left: array<vec4<f32>, SLICE * ROW_VECTORS>;
var<workgroup> right: array<vec4<f32>, SLICE * max(COLUMN_VECTORS, SIZE_VECTORS)>;
var<workgroup> weights: array<vec4<f32>, COLUMNS * ROW_VECTORS>;

// sums += left * right, a slice of the head.
fn multiply_slice(tx: u32, ty: u32, sums: ptr<function, array<vec4<f32>, SUMS>>) {
  for (var d = 0u; d < SLICE; d += STEP) {
    for (var k = 0u; k < STEP; k++) {  // unroll
      var rows: array<vec4<f32>, ROW_CHUNKS>;
      var columns: array<vec4<f32>, COLUMN_CHUNKS>;
      for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
        rows[p] = left[(d + k) * ROW_VECTORS + row_vector(ty, p)];
      }
      for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
        columns[q] = right[(d + k) * COLUMN_VECTORS + q * TX + tx];
      }
      for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
        for (var c = 0u; c < 4u; c++) {  // unroll
          for (var i = 0u; i < COLUMN_CHUNKS; i++) {  // unroll
            const q = i ^ (c % 2u * (COLUMN_CHUNKS - 1u));
            (*sums)[(4u * p + c) * COLUMN_CHUNKS + q] = fma(
              vec4<f32>(rows[p][c]), columns[q], (*sums)[(4u * p + c) * COLUMN_CHUNKS + q]);
          }
        }
      }
    }
  }
}

// outputs += weights * right, SLICE columns from the first one on.
fn multiply_weights(
  tx: u32, ty: u32, first: u32, outputs: ptr<function, array<vec4<f32>, OUTPUTS>>,
) {
  for (var d = 0u; d < SLICE; d += STEP) {
    for (var k = 0u; k < STEP; k++) {  // unroll
      var rows: array<vec4<f32>, ROW_CHUNKS>;
      var columns: array<vec4<f32>, SIZE_CHUNKS>;
      for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
        rows[p] = weights[
          (first + d + k) * ROW_VECTORS + p * TY + (ty ^ ((first + d) / 4u % 8u) ^ (k / 4u))];
      }
      for (var q = 0u; q < SIZE_CHUNKS; q++) {  // unroll
        columns[q] = right[(d + k) * SIZE_VECTORS + q * TX + tx];
      }
      for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
        for (var c = 0u; c < 4u; c++) {  // unroll
          for (var q = 0u; q < SIZE_CHUNKS; q++) {  // unroll
            (*outputs)[(4u * p + c) * SIZE_CHUNKS + q] = fma(
              vec4<f32>(rows[p][c]), columns[q], (*outputs)[(4u * p + c) * SIZE_CHUNKS + q]);
          }
        }
      }
    }
  }
}

// The weights of an invocation's tile into workgroup memory.
fn store_weights(tx: u32, ty: u32, sums: ptr<function, array<vec4<f32>, SUMS>>) {
  for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
    for (var e = 0u; e < 4u; e++) {  // unroll
      for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
        weights[weight_at(column_of(tx, q) + e, row_vector(ty, p))] = vec4<f32>(
          (*sums)[(4u * p + 0u) * COLUMN_CHUNKS + q][e],
          (*sums)[(4u * p + 1u) * COLUMN_CHUNKS + q][e],
          (*sums)[(4u * p + 2u) * COLUMN_CHUNKS + q][e],
          (*sums)[(4u * p + 3u) * COLUMN_CHUNKS + q][e]);
      }
    }
  }
}

// Slices on their way from registers to workgroup memory; of 4 rows and 4 numbers of a head each.

fn block_vector(t: u32) -> u32 { return t % 8u + t / (2u * SLICE) * 8u; }

fn block_depth(t: u32) -> u32 { return t / 8u % (SLICE / 4u) * 4u; }

fn store_left(local: u32, next: ptr<function, array<vec4<f32>, 4u * LEFT_LOADS>>) {
  for (var i = 0u; i < LEFT_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (t < LEFT_BLOCKS) {
      let turned = transpose(mat4x4<f32>(
        (*next)[4u * i + 0u], (*next)[4u * i + 1u], (*next)[4u * i + 2u], (*next)[4u * i + 3u]));
      let at = block_depth(t) * ROW_VECTORS + block_vector(t);
      for (var e = 0u; e < 4u; e++) {  // unroll
        left[at + e * ROW_VECTORS] = turned[e];
      }
    }
  }
}

fn store_right(local: u32, next: ptr<function, array<vec4<f32>, 4u * RIGHT_LOADS>>) {
  for (var i = 0u; i < RIGHT_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (t < RIGHT_BLOCKS) {
      let turned = transpose(mat4x4<f32>(
        (*next)[4u * i + 0u], (*next)[4u * i + 1u], (*next)[4u * i + 2u], (*next)[4u * i + 3u]));
      let at = block_depth(t) * COLUMN_VECTORS + block_vector(t);
      for (var e = 0u; e < 4u; e++) {  // unroll
        right[at + e * COLUMN_VECTORS] = turned[e];
      }
    }
  }
}

fn store_lines(local: u32, next: ptr<function, array<vec4<f32>, LINE_LOADS>>) {
  for (var i = 0u; i < LINE_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (t < LINE_BLOCKS) { right[t] = (*next)[i]; }
  }
}

// A variable of a loop is not made zero in every turn by all compilers (naga of wgpu 0.32 does not).
fn clear(sums: ptr<function, array<vec4<f32>, SUMS>>) {
  for (var i = 0u; i < SUMS; i++) {  // unroll
    (*sums)[i] = vec4<f32>(0.0);
  }
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
