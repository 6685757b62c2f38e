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
// the outer dimensions. Of an operand that lies along k an invocation fetches blocks of 4 x 4 and
// transposes them, since only whole vectors may be stored: invocations must not share one. Its
// vectors of one k are turned by the group of 4 that k is in, which spreads those stores over the
// memory banks. Of any other operand it fetches lines, vectors that are stored as they are.
//
// Loops marked `unroll` are written out by _gpu/unroll.py: registers cannot be indexed by a
// variable, and the loop guards that WebGPU adds keep drivers from doing it.
//
// The prelude gives the alias T; the bindings a, b, (bias), c and params; the loads; c_store(row, n,
// v), which stores four neighbours of a row, maybe after further operations; sums_store(m, v), which
// stores the sums of four rows of a where ROW_SUMS is set; and `mad`. The params:
//   m, n, k, share, tiles_m, tiles_n, batches, splits   sizes
//   a_offset, a_batch, a_step, b_offset, b_batch, b_step, c_offset, bias_offset   in elements

const TEAM = TX * TY;
const THREADS = TEAM * TEAMS;
const BM = 4u * TY * A_CHUNKS;
const BN = 4u * TX * B_CHUNKS;
const K4 = BK / 4u;
const SUMS = 4u * A_CHUNKS * B_CHUNKS;
const LENT = min(SUMS, BM * K4 / TEAM);  // of them at a time, between teams
const LENDINGS = SUMS / LENT;
const A_LOADS = 4u * A_BLOCKS + A_LINES;
const B_LOADS = 4u * B_BLOCKS + B_LINES;
const K4_OF_TEAM = K4 / TEAMS;
const TURN = max(32u / BK, 1u);
const BAND = 8u;  // tiles that neighbouring workgroups take below each other, to share b in cache

alias ASlice = array<array<array<array<vec4<T>, TY>, A_CHUNKS>, 4>, K4>;
alias BSlice = array<array<array<array<vec4<T>, TX>, B_CHUNKS>, 4>, K4>;

var<workgroup> a_tile: array<ASlice, BUFFERS>;
var<workgroup> b_tile: array<BSlice, BUFFERS>;

fn a_turned(place: u32, k4: u32) -> u32 {
  if (A_ALONG_K) { return place ^ (k4 * TURN % TY); }
  return place;
}

fn b_turned(place: u32, k4: u32) -> u32 {
  if (B_ALONG_K) { return place ^ (k4 * TURN % TX); }
  return place;
}

struct Tile {
  m0: u32, n0: u32,          // its first row and column
  a_base: u32, b_base: u32,  // where the operands of its batch start
  c_base: u32,
  start: u32, end: u32,      // its values of k
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
  tile.m0 = (band * BAND + place % rows) * BM;
  tile.n0 = place / rows * BN;
  tile.a_base = params.a_offset + batch * params.a_batch;
  tile.b_base = params.b_offset + batch * params.b_batch;
  tile.c_base = params.c_offset + (split * params.batches + batch) * params.m * params.n;
  tile.start = split * params.share;
  tile.end = min(tile.start + params.share, params.k);
  return tile;
}

const LANES = vec4<u32>(0u, 1u, 2u, 3u);

fn a_load_4(at: u32, steps: vec4<u32>) -> vec4<T> {
  let e = vec4<u32>(at) + steps;
  return vec4<T>(
    load_a_element(e.x), load_a_element(e.y), load_a_element(e.z), load_a_element(e.w));
}

fn b_load_4(at: u32, steps: vec4<u32>) -> vec4<T> {
  let e = vec4<u32>(at) + steps;
  return vec4<T>(
    load_b_element(e.x), load_b_element(e.y), load_b_element(e.z), load_b_element(e.w));
}

const A_BLOCKS_OF_SLICE = BM / 4u * K4;
const B_BLOCKS_OF_SLICE = BN / 4u * K4;
const A_SPARE = A_BLOCKS_OF_SLICE % THREADS != 0u;  // whether some invocations have one block less
const B_SPARE = B_BLOCKS_OF_SLICE % THREADS != 0u;

// Block number i of this invocation; the last invocations begin with a and the first with b, since
// there may be fewer blocks than invocations.
fn a_block(local: u32, i: u32) -> u32 { return THREADS - 1u - local + i * THREADS; }

fn b_block(local: u32, i: u32) -> u32 { return local + i * THREADS; }

// Load number i of this invocation in the slice from k0 on. Rows past the edge repeat the last one:
// what they give is never stored.
fn fetch_a(tile: Tile, local: u32, i: u32, k0: u32) -> vec4<T> {
  if (A_ALONG_K) {
    let block = a_block(local, i / 4u);
    if (A_SPARE && block >= A_BLOCKS_OF_SLICE) { return vec4<T>(); }
    let row = min(tile.m0 + block / K4 * 4u + i % 4u, params.m - 1u);
    let at = tile.a_base + row * params.a_step + k0 + block % K4 * 4u;
    if (A_VECTORS) { return load_a_vector(at / 4u); }
    return a_load_4(at, LANES);
  }
  let t = local + i * THREADS;
  let at = tile.a_base + (k0 + t / (BM / 4u)) * params.a_step;
  let m = tile.m0 + t % (BM / 4u) * 4u;
  if (A_VECTORS) { return load_a_vector((at + min(m, params.m - 4u)) / 4u); }
  return a_load_4(at, min(vec4<u32>(m) + LANES, vec4<u32>(params.m - 1u)));
}

// The same in the last slice, which may end within: zero from there on.
fn fetch_a_edge(tile: Tile, local: u32, i: u32, k0: u32) -> vec4<T> {
  if (!A_ALONG_K) {
    let t = local + i * THREADS;
    if (k0 + t / (BM / 4u) >= tile.end) { return vec4<T>(); }
    return fetch_a(tile, local, i, k0);
  }
  let block = a_block(local, i / 4u);
  if (A_SPARE && block >= A_BLOCKS_OF_SLICE) { return vec4<T>(); }
  let k = k0 + block % K4 * 4u;
  if (k >= tile.end) { return vec4<T>(); }
  if (A_VECTORS) { return fetch_a(tile, local, i, k0); }
  let row = min(tile.m0 + block / K4 * 4u + i % 4u, params.m - 1u);
  let at = tile.a_base + row * params.a_step;
  let v = a_load_4(at, min(vec4<u32>(k) + LANES, vec4<u32>(tile.end - 1u)));
  return select(vec4<T>(), v, vec4<u32>(k) + LANES < vec4<u32>(tile.end));
}

fn fetch_b(tile: Tile, local: u32, i: u32, k0: u32) -> vec4<T> {
  if (B_ALONG_K) {
    let block = b_block(local, i / 4u);
    if (B_SPARE && block >= B_BLOCKS_OF_SLICE) { return vec4<T>(); }
    let row = min(tile.n0 + block / K4 * 4u + i % 4u, params.n - 1u);
    let at = tile.b_base + row * params.b_step + k0 + block % K4 * 4u;
    if (B_VECTORS) { return load_b_vector(at / 4u); }
    return b_load_4(at, LANES);
  }
  let t = local + i * THREADS;
  let at = tile.b_base + (k0 + t / (BN / 4u)) * params.b_step;
  let n = tile.n0 + t % (BN / 4u) * 4u;
  if (B_VECTORS) { return load_b_vector((at + min(n, params.n - 4u)) / 4u); }
  return b_load_4(at, min(vec4<u32>(n) + LANES, vec4<u32>(params.n - 1u)));
}

// The same in the last slice, which may end within: zero from there on.
fn fetch_b_edge(tile: Tile, local: u32, i: u32, k0: u32) -> vec4<T> {
  if (!B_ALONG_K) {
    let t = local + i * THREADS;
    if (k0 + t / (BN / 4u) >= tile.end) { return vec4<T>(); }
    return fetch_b(tile, local, i, k0);
  }
  let block = b_block(local, i / 4u);
  if (B_SPARE && block >= B_BLOCKS_OF_SLICE) { return vec4<T>(); }
  let k = k0 + block % K4 * 4u;
  if (k >= tile.end) { return vec4<T>(); }
  if (B_VECTORS) { return fetch_b(tile, local, i, k0); }
  let row = min(tile.n0 + block / K4 * 4u + i % 4u, params.n - 1u);
  let at = tile.b_base + row * params.b_step;
  let v = b_load_4(at, min(vec4<u32>(k) + LANES, vec4<u32>(tile.end - 1u)));
  return select(vec4<T>(), v, vec4<u32>(k) + LANES < vec4<u32>(tile.end));
}

// Block number i of this invocation, whose 4 vectors along k lie in 4 neighbouring rows.
fn commit_a_block(
  buffer: u32, local: u32, i: u32, r0: vec4<T>, r1: vec4<T>, r2: vec4<T>, r3: vec4<T>
) {
  let block = a_block(local, i);
  if (A_SPARE && block >= A_BLOCKS_OF_SLICE) { return; }
  let k4 = block % K4;
  let chunk = block / K4 / TY;
  let place = a_turned(block / K4 % TY, k4);
  for (var j = 0u; j < 4u; j++) {  // unroll
    a_tile[buffer][k4][j][chunk][place] = vec4<T>(r0[j], r1[j], r2[j], r3[j]);
  }
}

fn commit_a_line(buffer: u32, local: u32, i: u32, v: vec4<T>) {
  let t = local + i * THREADS;
  let k = t / (BM / 4u);
  let place = t % (BM / 4u);
  a_tile[buffer][k / 4u][k % 4u][place / TY][place % TY] = v;
}

// Block number i of this invocation, whose 4 vectors along k lie in 4 neighbouring rows.
fn commit_b_block(
  buffer: u32, local: u32, i: u32, r0: vec4<T>, r1: vec4<T>, r2: vec4<T>, r3: vec4<T>
) {
  let block = b_block(local, i);
  if (B_SPARE && block >= B_BLOCKS_OF_SLICE) { return; }
  let k4 = block % K4;
  let chunk = block / K4 / TX;
  let place = b_turned(block / K4 % TX, k4);
  for (var j = 0u; j < 4u; j++) {  // unroll
    b_tile[buffer][k4][j][chunk][place] = vec4<T>(r0[j], r1[j], r2[j], r3[j]);
  }
}

fn commit_b_line(buffer: u32, local: u32, i: u32, v: vec4<T>) {
  let t = local + i * THREADS;
  let k = t / (BN / 4u);
  let place = t % (BN / 4u);
  b_tile[buffer][k / 4u][k % 4u][place / TX][place % TX] = v;
}

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
      for (var i = 0u; i < A_BLOCKS; i++) {  // unroll
        commit_a_block(
          buffer, local, i, a_next[4u * i], a_next[4u * i + 1u], a_next[4u * i + 2u],
          a_next[4u * i + 3u]);
      }
      for (var i = 0u; i < A_LINES; i++) {  // unroll
        commit_a_line(buffer, local, i, a_next[i]);
      }
      for (var i = 0u; i < B_BLOCKS; i++) {  // unroll
        commit_b_block(
          buffer, local, i, b_next[4u * i], b_next[4u * i + 1u], b_next[4u * i + 2u],
          b_next[4u * i + 3u]);
      }
      for (var i = 0u; i < B_LINES; i++) {  // unroll
        commit_b_line(buffer, local, i, b_next[i]);
      }
    }
    workgroupBarrier();
    if (select(k0 < tile.end, k0 + BK <= tile.end, K_EDGE)) {
      for (var i = 0u; i < A_LOADS; i++) {  // unroll
        a_next[i] = fetch_a(tile, local, i, k0);
      }
      for (var i = 0u; i < B_LOADS; i++) {  // unroll
        b_next[i] = fetch_b(tile, local, i, k0);
      }
    } else if (K_EDGE && k0 < tile.end) {
      for (var i = 0u; i < A_LOADS; i++) {  // unroll
        a_next[i] = fetch_a_edge(tile, local, i, k0);
      }
      for (var i = 0u; i < B_LOADS; i++) {  // unroll
        b_next[i] = fetch_b_edge(tile, local, i, k0);
      }
    }
    if (multiplies) {
      for (var turn = 0u; turn < K4_OF_TEAM; turn++) {  // unroll
        let k4 = team * K4_OF_TEAM + turn;
        let y = a_turned(ty, k4);
        let x = b_turned(tx, k4);
        for (var j = 0u; j < 4u; j++) {  // unroll
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
    let n = tile.n0 + (q * TX + tx) * 4u;
    let bias = bias_load(n);
    for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
      for (var c = 0u; c < 4u; c++) {  // unroll
        let m = tile.m0 + (p * TY + ty) * 4u + c;
        if (m < params.m) {
          c_store(tile.c_base + m * params.n, n, sums[(4u * p + c) * B_CHUNKS + q] + bias);
        }
      }
    }
  }

  if (ROW_SUMS && tile.n0 + tx == 0u) {
    for (var p = 0u; p < A_CHUNKS; p++) {  // unroll
      sums_store(tile.m0 + (p * TY + ty) * 4u, row_sums[p]);
    }
  }
}
