// The slices of one operand of matmul.wgsl, on their way from memory to workgroup memory.
//
// _gpu/matmul_source.py writes this text twice, with a and with b for "side". A slice is made of
// vectors: 4 neighbours across k, along m or n, of one value of k. Neighbouring invocations take
// what are neighbours in memory.
//
// Only whole vectors are stored, for storing a component may be done as reading and storing the
// vector, and invocations must then not share one. Of an operand that lies along k each invocation
// therefore gathers 4 elements from 4 rows. 8 values of k are then stored at once, and turning the
// vectors of each k by its number spreads them over the memory banks.
//
// Beside what matmul.wgsl gives: SIDE_ACROSS, SIDE_CHUNKS, SIDE_ALONG_K and SIDE_VECTORS (whether
// it is read by vectors), side_size() across, load_side_element(e) and load_side_vector(i).

const SIDE_VECTORS_OF_K = SIDE_ACROSS * SIDE_CHUNKS;
const SIDE_LOADS = SIDE_VECTORS_OF_K * BK / THREADS;
const SIDE_TURN = min(SIDE_VECTORS_OF_K, 8u);

alias SideSlice = array<array<array<array<vec4<T>, SIDE_ACROSS>, SIDE_CHUNKS>, 4>, K4>;

var<workgroup> side_tile: array<SideSlice, BUFFERS>;

fn side_turned(place: u32, k: u32) -> u32 {
  if (SIDE_ALONG_K) { return place ^ (k * SIDE_TURN / 8u % SIDE_ACROSS); }
  return place;
}

// The value of k in the slice that vector t has, and its number across.
fn side_k(t: u32) -> u32 {
  if (SIDE_ALONG_K) { return t % BK; }
  return t / SIDE_VECTORS_OF_K;
}

fn side_number(t: u32) -> u32 {
  if (SIDE_ALONG_K) { return t / BK; }
  return t % SIDE_VECTORS_OF_K;
}

// Vector t of the slice from k0 on. Elements past the edge repeat the last ones: what they give is
// never stored.
fn side_load(tile: Tile, t: u32, k0: u32) -> vec4<T> {
  let k = k0 + side_k(t);
  let i = tile.side_start + 4u * side_number(t);
  if (SIDE_VECTORS) {
    let e = tile.side_base + k * params.side_step + min(i, side_size() - 4u);
    return load_side_vector(e / 4u);
  }
  let across = min(vec4<u32>(i) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(side_size() - 1u));
  var e = vec4<u32>(tile.side_base + k * params.side_step) + across;
  if (SIDE_ALONG_K) { e = vec4<u32>(tile.side_base + k) + across * params.side_step; }
  return vec4<T>(
    load_side_element(e.x), load_side_element(e.y), load_side_element(e.z), load_side_element(e.w));
}

// The same in the last slice, which may end within: zero from there on.
fn side_load_edge(tile: Tile, t: u32, k0: u32) -> vec4<T> {
  if (k0 + side_k(t) >= tile.end) { return vec4<T>(); }
  return side_load(tile, t, k0);
}

fn side_commit(buffer: u32, t: u32, v: vec4<T>) {
  let k = side_k(t);
  let i = side_number(t);
  side_tile[buffer][k / 4u][k % 4u][i / SIDE_ACROSS][side_turned(i % SIDE_ACROSS, k)] = v;
}
