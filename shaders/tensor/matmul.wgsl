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
// different vectors are read at a time. Workgroup arrays are nested so that constant indices are in
// the outer dimensions. How slices get there is in matmul_operand.wgsl, once for a and once for b.
//
// Loops marked `unroll` are written out by _gpu/unroll.py: registers cannot be indexed by a
// variable, and the loop guards that WebGPU adds keep drivers from doing it.
//
// The prelude gives the alias T; the bindings a, b, (bias), c and params; their loads; c_store(row, n,
// v), which stores four neighbours of a row, maybe after further operations; sums_store(m, v), which
// stores the sums of four rows of a where ROW_SUMS is set; and `mad`. The params:
//   m, n, k, share, tiles_m, tiles_n, batches, splits   sizes
//   a_offset, a_batch, a_step, b_offset, b_batch, b_step, c_offset, bias_offset   in elements

const TEAM = TX * TY;
const THREADS = TEAM * TEAMS;
const BM = 4u * TY * A_CHUNKS;
const BN = 4u * TX * B_CHUNKS;
const A_ACROSS = TY;
const B_ACROSS = TX;
const K4 = BK / 4u;
const SUMS = 4u * A_CHUNKS * B_CHUNKS;
const LENT = min(SUMS, BM * K4 / TEAM);  // of them at a time, between teams
const LENDINGS = SUMS / LENT;
const K4_OF_TEAM = K4 / TEAMS;
const BAND = 8u;  // tiles that neighbouring workgroups take below each other, to share b in cache

struct Tile {
  a_start: u32, b_start: u32,  // its first row and column
  a_base: u32, b_base: u32,    // where the operands of its batch start
  c_base: u32,
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
  tile.c_base = params.c_offset + (split * params.batches + batch) * params.m * params.n;
  tile.start = split * params.share;
  tile.end = min(tile.start + params.share, params.k);
  return tile;
}

fn a_size() -> u32 { return params.m; }

fn b_size() -> u32 { return params.n; }

// Vector i of the memory of a's slice, which is free in the end.
fn lend(i: u32, v: vec4<T>) {
  let row = i / TY;
  a_tile[0][row / A_CHUNKS / 4u][row / A_CHUNKS % 4u][row % A_CHUNKS][i % TY] = v;
}

fn lent(i: u32) -> vec4<T> {
  let row = i / TY;
  return a_tile[0][row / A_CHUNKS / 4u][row / A_CHUNKS % 4u][row % A_CHUNKS][i % TY];
}

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
  var buffer = 0u;
  // One turn before the first slice fetches it; each turn multiplies what the one before fetched.
  for (var k0 = tile.start; k0 < tile.end + BK; k0 += BK) {
    let multiplies = k0 > tile.start;
    if (multiplies) {
      for (var i = 0u; i < A_LOADS; i++) {  // unroll
        a_commit(buffer, local + i * THREADS, a_next[i]);
      }
      for (var i = 0u; i < B_LOADS; i++) {  // unroll
        b_commit(buffer, local + i * THREADS, b_next[i]);
      }
    }
    workgroupBarrier();
    if (select(k0 < tile.end, k0 + BK <= tile.end, K_EDGE)) {
      for (var i = 0u; i < A_LOADS; i++) {  // unroll
        a_next[i] = a_load(tile, local + i * THREADS, k0);
      }
      for (var i = 0u; i < B_LOADS; i++) {  // unroll
        b_next[i] = b_load(tile, local + i * THREADS, k0);
      }
    } else if (K_EDGE && k0 < tile.end) {
      for (var i = 0u; i < A_LOADS; i++) {  // unroll
        a_next[i] = a_load_edge(tile, local + i * THREADS, k0);
      }
      for (var i = 0u; i < B_LOADS; i++) {  // unroll
        b_next[i] = b_load_edge(tile, local + i * THREADS, k0);
      }
    }
    if (multiplies) {
      for (var turn = 0u; turn < K4_OF_TEAM; turn++) {  // unroll
        let k4 = team * K4_OF_TEAM + turn;
        for (var j = 0u; j < 4u; j++) {  // unroll
          let y = a_turned(ty, 4u * k4 + j);
          let x = b_turned(tx, 4u * k4 + j);
          var rows: array<vec4<T>, A_CHUNKS>;
          var columns: array<vec4<T>, B_CHUNKS>;
          for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
            rows[p] = a_tile[buffer][k4][j][p][y];
            if (ROW_SUMS) { row_sums[p] += rows[p]; }
          }
          for (var q = 0u; q < B_CHUNKS; q++) {  // unroll
            columns[q] = b_tile[buffer][k4][j][q][x];
          }
          for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
            for (var c = 0u; c < 4u; c++) {  // unroll
              for (var q = 0u; q < B_CHUNKS; q++) {  // unroll
                sums[(4u * p + c) * B_CHUNKS + q] =
                  mad(rows[p][c], columns[q], sums[(4u * p + c) * B_CHUNKS + q]);
              }
            }
          }
        }
      }
      if (BUFFERS == 1u) { workgroupBarrier(); }
    }
    buffer = (buffer + 1u) % BUFFERS;
  }

  for (var other = 1u; other < TEAMS; other++) {
    for (var load = 0u; load < LENDINGS; load++) {  // unroll
      workgroupBarrier();
      if (team == other) {
        for (var i = 0u; i < LENT; i++) {  // unroll
          lend(i * TEAM + local % TEAM, sums[load * LENT + i]);
        }
      }
      workgroupBarrier();
      if (team == 0u) {
        for (var i = 0u; i < LENT; i++) {  // unroll
          sums[load * LENT + i] += lent(i * TEAM + local % TEAM);
        }
      }
    }
    if (ROW_SUMS) {
      workgroupBarrier();
      if (team == other) {
        for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
          lend(p * TEAM + local % TEAM, row_sums[p]);
        }
      }
      workgroupBarrier();
      if (team == 0u) {
        for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
          row_sums[p] += lent(p * TEAM + local % TEAM);
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
          c_store(tile.c_base + m * params.n, n, sums[(4u * p + c) * B_CHUNKS + q] + bias);
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
