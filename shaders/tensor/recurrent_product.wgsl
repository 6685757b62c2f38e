// The product inside of a step of a recurrent layer: a tile of TILE rows of the batch by TILE columns,
// of vectors of 4 numbers that lie along k in both. Put in front of recurrent.wgsl and its backward,
// which give `vectors_of_k()` and read vector k of a row of the batch (`row_vector`) and of a column
// of the tile (`column_vector`), 0 where there is none.
//
// A step is short and has few rows, so GROUPS groups of invocations share its values of k; each keeps
// 4 x 4 sums in registers, and `total` adds up the groups'. Vectors take turns in their places in
// workgroup memory, so that invocations that read together meet no bank twice.

const SIDE = TILE / 4u;
const TEAM = SIDE * SIDE;
const GROUPS = 256u / TEAM;
const SLICE = 512u / TILE / GROUPS;  // vectors of k of each group at a time

var<workgroup> tile: array<vec4<f32>, 1024>;

fn place(row: u32, k: u32) -> u32 { return row * SLICE + (k ^ ((row >> 1u) & (SLICE - 1u))); }

// One of the 1024 vectors of all groups' slices: rows first, then columns.
fn fetched(number: u32, slice: u32) -> vec4<f32> {
  let line = number / SLICE % (2u * TILE);
  let group = number / SLICE / (2u * TILE);
  let k = (slice * GROUPS + group) * SLICE + number % SLICE;
  if (line < TILE) { return row_vector(line, k); }
  return column_vector(line - TILE, k);
}

fn multiply(local: u32) {
  let group = local / TEAM;
  let r = local % TEAM / SIDE;
  let c = local % SIDE;
  let base = group * 2u * TILE;
  var sums: array<vec4<f32>, 4>;
  var next: array<vec4<f32>, 4>;
  for (var n = 0u; n < 4u; n++) {  // unroll
    next[n] = fetched(local + 256u * n, 0u);
  }
  let slices = (vectors_of_k() + GROUPS * SLICE - 1u) / (GROUPS * SLICE);
  for (var slice = 0u; slice < slices; slice++) {
    workgroupBarrier();
    for (var n = 0u; n < 4u; n++) {  // unroll
      tile[place((local + 256u * n) / SLICE, local % SLICE)] = next[n];
    }
    workgroupBarrier();
    for (var n = 0u; n < 4u; n++) {  // unroll
      next[n] = fetched(local + 256u * n, slice + 1u);
    }
    for (var k = 0u; k < SLICE; k++) {  // unroll
      let b0 = tile[place(base + TILE + c, k)];
      let b1 = tile[place(base + TILE + c + SIDE, k)];
      let b2 = tile[place(base + TILE + c + 2u * SIDE, k)];
      let b3 = tile[place(base + TILE + c + 3u * SIDE, k)];
      for (var i = 0u; i < 4u; i++) {  // unroll
        let a = tile[place(base + r + SIDE * i, k)];
        sums[i] += vec4<f32>(dot(a, b0), dot(a, b1), dot(a, b2), dot(a, b3));
      }
    }
  }
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {  // unroll
    for (var j = 0u; j < 4u; j++) {  // unroll
      let at = (group * TILE + r + SIDE * i) * TILE + c + SIDE * j;
      tile[at / 4u][at % 4u] = sums[i][j];
    }
  }
  workgroupBarrier();
}

fn total(row: u32, column: u32) -> f32 {
  var sum = 0.0;
  for (var group = 0u; group < GROUPS; group++) {
    let at = (group * TILE + row) * TILE + column;
    sum += tile[at / 4u][at % 4u];
  }
  return sum;
}
