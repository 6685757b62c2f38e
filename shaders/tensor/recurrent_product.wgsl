// The product inside of a step of a recurrent layer: TM rows of the batch by TN columns of a weight.
// Put in front of recurrent.wgsl and its backward, which give what an item of the tile reads early
// (`fetch_early`), while products are still being made, and what becomes of its sum (`finish`).
//
// Both operands lie packed (recurrent_pack.wgsl): vectors of 4 neighbours along k, those of one k side
// by side, and so many rows and columns that tiles are whole. An invocation keeps RM x RN sums in
// registers, TEAM of them make the tile; the teams of a workgroup take turns along k, so that they
// share nothing but their sums in the end. Vectors are read while those before are multiplied.
//
// Four neighbouring sums are a cell: the gates of a unit, or SCALARS = 4 items, each a unit.

const TX = TN / RN;
const TY = TM / RM;
const TEAM = TX * TY;
const GROUPS = THREADS / TEAM;
const CELLS_OF_ROW = RN / 4u;
const ROUNDS = RM * RN * THREADS / 4096u;  // in which all sums go through workgroup memory
const PART = RM / ROUNDS;
const CELLS = 1024u / GROUPS;  // of the tile in a round
const ITEMS = SCALARS * CELLS;
const OWN = (ROUNDS * ITEMS + THREADS - 1u) / THREADS;  // items of an invocation

var<workgroup> tile: array<vec4<f32>, 1024>;

fn row_of(item: u32) -> u32 {
  let cell = item % ITEMS / SCALARS;
  return (item / ITEMS * PART + cell / TEAM / CELLS_OF_ROW) * TY + cell % TEAM / TX;
}

fn unit_of(item: u32) -> u32 {
  let cell = item % ITEMS / SCALARS;
  return (cell / TEAM % CELLS_OF_ROW * TX + cell % TX) * SCALARS + item % SCALARS;
}

// Where an item lies among those that are packed one by one: not as a part of a vector, as storing a
// part may write the whole.
fn packed_place(row: u32, unit: u32) -> u32 {
  return 4u * (unit / 4u * params.line_rows + row) + unit % 4u;
}

fn fetch(k: u32, rows_at: u32, columns_at: u32, a: ptr<function, array<vec4<f32>, RM>>, b: ptr<function, array<vec4<f32>, RN>>) {
  for (var i = 0u; i < RM; i++) {  // unroll
    (*a)[i] = lines[rows_at + k * params.line_rows + i * TY];
  }
  for (var j = 0u; j < RN; j++) {  // unroll
    (*b)[j] = weight[columns_at + k * TN + j * TX];
  }
}

fn multiply(a: ptr<function, array<vec4<f32>, RM>>, b: ptr<function, array<vec4<f32>, RN>>, sums: ptr<function, array<f32, SUMS>>) {
  for (var i = 0u; i < RM; i++) {  // unroll
    for (var j = 0u; j < RN; j++) {  // unroll
      (*sums)[i * RN + j] = fma((*a)[i].x, (*b)[j].x, (*sums)[i * RN + j]);
      (*sums)[i * RN + j] = fma((*a)[i].y, (*b)[j].y, (*sums)[i * RN + j]);
      (*sums)[i * RN + j] = fma((*a)[i].z, (*b)[j].z, (*sums)[i * RN + j]);
      (*sums)[i * RN + j] = fma((*a)[i].w, (*b)[j].w, (*sums)[i * RN + j]);
    }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let team = local / TEAM;
  let r = local % TEAM / TX;
  let c = local % TX;
  let first_row = group.y * TM;
  let first_unit = group.x * (TN / 4u * SCALARS);
  let rows_at = first_row + r;
  let columns_at = group.x * params.weight_vectors * TN + c;

  var early: array<Early, OWN>;
  for (var q = 0u; q < OWN; q++) {  // unroll
    let item = q * THREADS + local;
    let row = first_row + row_of(item);
    let unit = first_unit + unit_of(item);
    if (item < ROUNDS * ITEMS && row < params.batch && unit < params.hidden) {
      early[q] = fetch_early(row, unit);
    }
  }

  var sums: array<f32, SUMS>;
  var a: array<vec4<f32>, RM>;
  var b: array<vec4<f32>, RN>;
  var a_next: array<vec4<f32>, RM>;
  var b_next: array<vec4<f32>, RN>;
  if (team < params.vectors) { fetch(team, rows_at, columns_at, &a, &b); }
  for (var k = team; k < params.vectors; k += 2u * GROUPS) {
    let has_next = k + GROUPS < params.vectors;
    if (has_next) { fetch(k + GROUPS, rows_at, columns_at, &a_next, &b_next); }
    multiply(&a, &b, &sums);
    if (!has_next) { break; }
    if (k + 2u * GROUPS < params.vectors) { fetch(k + 2u * GROUPS, rows_at, columns_at, &a, &b); }
    multiply(&a_next, &b_next, &sums);
  }

  var totals: array<Sum, OWN>;
  for (var p = 0u; p < ROUNDS; p++) {  // unroll
    if (p > 0u) { workgroupBarrier(); }
    for (var i = 0u; i < PART; i++) {  // unroll
      for (var u = 0u; u < CELLS_OF_ROW; u++) {  // unroll
        const at = (p * PART + i) * RN + 4u * u;
        tile[team * CELLS + (i * CELLS_OF_ROW + u) * TEAM + local % TEAM] =
          vec4<f32>(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
      }
    }
    workgroupBarrier();
    for (var q = 0u; q < OWN; q++) {  // unroll
      let item = q * THREADS + local;
      if (item / ITEMS == p) {
        for (var other = 0u; other < GROUPS; other++) {
          totals[q] += summand(other * ITEMS + item % ITEMS);
        }
      }
    }
  }

  for (var q = 0u; q < OWN; q++) {  // unroll
    let item = q * THREADS + local;
    let row = first_row + row_of(item);
    let unit = first_unit + unit_of(item);
    if (item < ROUNDS * ITEMS && row < params.batch && unit < params.hidden) {
      finish(row, unit, early[q], totals[q]);
    }
  }
}
