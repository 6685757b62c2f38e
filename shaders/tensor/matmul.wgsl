// Batched matrix product: c[z][m][n] = sum over k of a[z][m][k] * b[z][k][n] (+ bias[n]).
//
// Each operand is a view whose elements are neighbours along one axis: a along k (A_ALONG_K) or
// along m, b along k (B_ALONG_K) or along n; step is the stride of its other axis.
//
// A workgroup makes a tile of c, BM x BN. Slices of BK values of k go through workgroup memory, k
// first, so that an invocation reads vectors along m and along n and keeps A_CHUNKS x B_CHUNKS
// blocks of 4 x 4 sums in registers. The next slice is fetched into registers while this one is
// multiplied. TX x TY invocations are a team; with several teams each takes its part of every slice,
// and their sums are added in the end. With several splits each takes `share` values of k and
// writes its part after the others, for matmul_parts.wgsl to add up.
//
// A warp of 32 invocations makes a block WARP_X blocks wide and 32 / WARP_X high, so that few
// different vectors are read at a time. How slices get into workgroup memory is in
// matmul_slice.wgsl, once for a and once for b.
//
// Rows are multiplied by the columns to and fro. NVIDIA's compiler then reads the vectors of the next
// k well before they are needed, which is worth a tenth of a large product's time.
//
// Loops marked `unroll` are written out by _gpu/unroll.py: registers cannot be indexed by a
// variable, and the loop guards that WebGPU adds keep drivers from doing it.
//
// The prelude gives the alias T; the bindings a, b, (bias), c and params; their loads; c_start(split,
// batch), where a batch's result begins; c_store(tile, m, n, v), which stores four neighbours of a row,
// maybe after further operations; sums_store(m, v), which stores the sums of four rows of a where
// ROW_SUMS is set; bias_load(n) of four columns, bias_of_row(tile, m); and `mad`. The params:
//   m, n, k, share, tiles_m, tiles_n, batches, splits   sizes
//   a_offset, a_batch, a_step, b_offset, b_batch, b_step, c_offset, bias_offset   in elements

const TEAM = TX * TY;
const THREADS = TEAM * TEAMS;
const BM = 4u * TY * A_CHUNKS;
const BN = 4u * TX * B_CHUNKS;
const A_ACROSS = TY;
const B_ACROSS = TX;
const SUMS = 4u * A_CHUNKS * B_CHUNKS;
const LENT = min(SUMS, BM * BK / 4u / TEAM);  // of them at a time, between teams
const LENDINGS = SUMS / LENT;
const K_OF_TEAM = BK / TEAMS;
const LANES = vec4<u32>(0u, 1u, 2u, 3u);
const BAND = 8u;  // tiles that neighbouring workgroups take below each other, to share b in cache

struct Tile {
  a_start: u32, b_start: u32,  // its first row and column
  a_base: u32, b_base: u32,    // where the operands of its batch start
  c_base: u32, batch: u32,
  start: u32, end: u32,        // its values of k
}

fn find_tile(number: u32) -> Tile {
  let tiles = params.tiles_m * params.tiles_n;
  let z = number / tiles;
  let batch = z / params.splits;
  let split = z % params.splits;
  let within = number % tiles;
  let band = within / (BAND * params.tiles_n);
  let rows = min(params.tiles_m - band * BAND, BAND);
  let place = within % (BAND * params.tiles_n);
  var tile: Tile;
  tile.a_start = (band * BAND + place % rows) * BM;
  tile.b_start = place / rows * BN;
  tile.a_base = params.a_offset + batch * params.a_batch;
  tile.b_base = params.b_offset + batch * params.b_batch;
  tile.c_base = c_start(split, batch);
  tile.batch = batch;
  tile.start = split * params.share;
  tile.end = min(tile.start + params.share, params.k);
  return tile;
}

fn a_size() -> u32 { return params.m; }

fn b_size() -> u32 { return params.n; }

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.tiles_m * params.tiles_n * params.batches * params.splits) { return; }
  let tile = find_tile(number);
  var team = 0u;  // a constant, where there is one
  if (TEAMS > 1u) { team = local / TEAM; }
  let warp = local % TEAM / 32u;
  let tx = warp % (TX / WARP_X) * WARP_X + local % WARP_X;
  let ty = warp / (TX / WARP_X) * (32u / WARP_X) + local % 32u / WARP_X;

  var sums: array<vec4<T>, SUMS>;
  var row_sums: array<vec4<T>, A_CHUNKS>;
  var a_next: array<vec4<T>, A_LOADS>;
  var b_next: array<vec4<T>, B_LOADS>;
  let a_at = a_place(tile, local);
  let b_at = b_place(tile, local);
  var a_distances: array<ADistance, A_LOADS>;
  var b_distances: array<BDistance, B_LOADS>;
  for (var i = 0u; i < A_LOADS; i++) {  // unroll
    a_distances[i] = a_distance(tile, local, i * THREADS);
  }
  for (var i = 0u; i < B_LOADS; i++) {  // unroll
    b_distances[i] = b_distance(tile, local, i * THREADS);
  }
  let a_to = a_slot(local);
  let b_to = b_slot(local);
  var buffer = 0u;
  // The first slice has what is left over by whole ones.
  let some = (tile.end - tile.start - 1u) % BK + 1u;
  a_fetch_some(tile.start, some, local, a_at, &a_distances, &a_next);
  b_fetch_some(tile.start, some, local, b_at, &b_distances, &b_next);
  for (var k0 = tile.start + some; k0 < tile.end + BK; k0 += BK) {
    for (var i = 0u; i < A_LOADS; i++) {  // unroll
      a_tile[buffer * A_SLICE + a_to + a_slot(i * THREADS)] = a_next[i];
    }
    for (var i = 0u; i < B_LOADS; i++) {  // unroll
      b_tile[buffer * B_SLICE + b_to + b_slot(i * THREADS)] = b_next[i];
    }
    workgroupBarrier();
    if (k0 < tile.end) {
      a_fetch(k0, a_at, &a_distances, &a_next);
      b_fetch(k0, b_at, &b_distances, &b_next);
    }
    let a_from = buffer * A_SLICE + team * K_OF_TEAM * A_VECTORS_OF_K + ty;
    let b_from = buffer * B_SLICE + team * K_OF_TEAM * B_VECTORS_OF_K + tx;
    for (var k = 0u; k < K_OF_TEAM; k++) {  // unroll
      var rows: array<vec4<T>, A_CHUNKS>;
      var columns: array<vec4<T>, B_CHUNKS>;
      for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
        rows[p] = a_tile[(a_from ^ a_turn(k)) + k * A_VECTORS_OF_K + p * TY];
        if (ROW_SUMS) { row_sums[p] += rows[p]; }
      }
      for (var q = 0u; q < B_CHUNKS; q++) {  // unroll
        columns[q] = b_tile[(b_from ^ b_turn(k)) + k * B_VECTORS_OF_K + q * TX];
      }
      for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
        for (var c = 0u; c < 4u; c++) {  // unroll
          for (var i = 0u; i < B_CHUNKS; i++) {  // unroll
            const q = i ^ (c % 2u * (B_CHUNKS - 1u));
            sums[(4u * p + c) * B_CHUNKS + q] =
              mad(rows[p][c], columns[q], sums[(4u * p + c) * B_CHUNKS + q]);
          }
        }
      }
    }
    if (BUFFERS == 1u) { workgroupBarrier(); }
    buffer = (buffer + 1u) % BUFFERS;
  }

  for (var other = 1u; other < TEAMS; other++) {
    for (var load = 0u; load < LENDINGS; load++) {  // unroll
      workgroupBarrier();
      if (team == other) {
        for (var i = 0u; i < LENT; i++) {  // unroll
          a_tile[i * TEAM + local % TEAM] = sums[load * LENT + i];
        }
      }
      workgroupBarrier();
      if (team == 0u) {
        for (var i = 0u; i < LENT; i++) {  // unroll
          sums[load * LENT + i] += a_tile[i * TEAM + local % TEAM];
        }
      }
    }
    if (ROW_SUMS) {
      workgroupBarrier();
      if (team == other) {
        for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
          a_tile[p * TEAM + local % TEAM] = row_sums[p];
        }
      }
      workgroupBarrier();
      if (team == 0u) {
        for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
          row_sums[p] += a_tile[p * TEAM + local % TEAM];
        }
      }
    }
  }
  if (team > 0u) { return; }

  for (var q = 0u; q < B_CHUNKS; q++) {  // unroll
    let n = tile.b_start + (q * TX + tx) * 4u;
    let bias = bias_load(n);
    for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
      for (var c = 0u; c < 4u; c++) {  // unroll
        let m = tile.a_start + (p * TY + ty) * 4u + c;
        if (m < params.m) {
          c_store(tile, m, n, sums[(4u * p + c) * B_CHUNKS + q] + bias + bias_of_row(tile, m));
        }
      }
    }
  }

  if (ROW_SUMS && tile.b_start + tx == 0u) {
    for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
      sums_store(tile.a_start + (p * TY + ty) * 4u, row_sums[p]);
    }
  }
}
