// What the attention kernels share: tiles of products in registers, and how they are made.
//
// TX x TY invocations keep ROW_CHUNKS x COLUMN_CHUNKS blocks of 4 x 4 sums each, of a tile of ROWS x
// COLUMNS: rows 4 * row_vector(ty, p) and columns column_of(tx, q) and the three behind each. Slices of
// SLICE numbers of what is summed over go through workgroup memory, turned so that rows and columns lie
// side by side there (`left`, `right`). The next slice is fetched into registers while one is
// multiplied. With BUFFERS = 2 it is stored into the other half of workgroup memory, and one barrier a
// slice is enough.

const THREADS = TX * TY;
const ROW_VECTORS = TY * ROW_CHUNKS;
const COLUMN_VECTORS = TX * COLUMN_CHUNKS;
const ROWS = 4u * ROW_VECTORS;
const COLUMNS = 4u * COLUMN_VECTORS;
const SUMS = 4u * ROW_CHUNKS * COLUMN_CHUNKS;
const LEFT_BLOCKS = ROW_VECTORS * SLICE / 4u;
const RIGHT_BLOCKS = COLUMN_VECTORS * SLICE / 4u;
const LEFT_LOADS = (LEFT_BLOCKS + THREADS - 1u) / THREADS;
const RIGHT_LOADS = (RIGHT_BLOCKS + THREADS - 1u) / THREADS;
const LEFT_SLICE = SLICE * ROW_VECTORS;
const RIGHT_SLICE = SLICE * RIGHT_VECTORS;
var<workgroup> left: array<vec4<f32>, BUFFERS * LEFT_SLICE>;
var<workgroup> right: array<vec4<f32>, BUFFERS * RIGHT_SLICE>;

fn row_vector(ty: u32, p: u32) -> u32 { return p * TY + ty; }

// The first of the 4 columns of an invocation's chunk.
fn column_of(tx: u32, q: u32) -> u32 { return (q * TX + tx) * 4u; }

// sums += left * right, a slice of the head.
fn multiply_slice(
  tx: u32, ty: u32, buffer: u32, sums: ptr<function, array<vec4<f32>, SUMS>>,
) {
  let left_from = buffer * LEFT_SLICE + ty;
  let right_from = buffer * RIGHT_SLICE + tx;
  for (var d = 0u; d < SLICE; d += STEP) {
    for (var k = 0u; k < STEP; k++) {  // unroll
      var rows: array<vec4<f32>, ROW_CHUNKS>;
      var columns: array<vec4<f32>, COLUMN_CHUNKS>;
      for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
        rows[p] = left[left_from + (d + k) * ROW_VECTORS + p * TY];
      }
      for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
        columns[q] = right[right_from + (d + k) * COLUMN_VECTORS + q * TX];
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

// Slices on their way from registers to workgroup memory; of 4 rows and 4 numbers of a head each.

fn block_vector(t: u32) -> u32 { return t % 8u + t / (2u * SLICE) * 8u; }

fn block_depth(t: u32) -> u32 { return t / 8u % (SLICE / 4u) * 4u; }

fn store_left(
  local: u32, buffer: u32, next: ptr<function, array<vec4<f32>, 4u * LEFT_LOADS>>,
) {
  for (var i = 0u; i < LEFT_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (t < LEFT_BLOCKS) {
      let turned = transpose(mat4x4<f32>(
        (*next)[4u * i + 0u], (*next)[4u * i + 1u], (*next)[4u * i + 2u], (*next)[4u * i + 3u]));
      let at = buffer * LEFT_SLICE + block_depth(t) * ROW_VECTORS + block_vector(t);
      for (var e = 0u; e < 4u; e++) {  // unroll
        left[at + e * ROW_VECTORS] = turned[e];
      }
    }
  }
}

fn store_right(
  local: u32, buffer: u32, next: ptr<function, array<vec4<f32>, 4u * RIGHT_LOADS>>,
) {
  for (var i = 0u; i < RIGHT_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (t < RIGHT_BLOCKS) {
      let turned = transpose(mat4x4<f32>(
        (*next)[4u * i + 0u], (*next)[4u * i + 1u], (*next)[4u * i + 2u], (*next)[4u * i + 3u]));
      let at = buffer * RIGHT_SLICE + block_depth(t) * COLUMN_VECTORS + block_vector(t);
      for (var e = 0u; e < 4u; e++) {  // unroll
        right[at + e * COLUMN_VECTORS] = turned[e];
      }
    }
  }
}

// A variable of a loop is not made zero in every turn by all compilers (naga of wgpu 0.32 does not).
fn clear(sums: ptr<function, array<vec4<f32>, SUMS>>) {
  for (var i = 0u; i < SUMS; i++) {  // unroll
    (*sums)[i] = vec4<f32>(0.0);
  }
}
