// The slices of one operand of matmul.wgsl, on their way from memory to workgroup memory.
//
// _gpu/matmul_source.py writes this text twice, with a and with b for "side". A slice is made of
// vectors: 4 neighbours across k, along m or n, of one value of k. All sizes are powers of two, so
// the place of vector local + t is that of local and that of t, a multiple of THREADS, together.
//
// Only whole vectors are stored, for storing a component may be done as reading and storing the
// vector, and invocations must then not share one. Of an operand that lies along k each invocation
// therefore gathers 4 elements from 4 rows. 32 invocations read 8 values of k of each of their rows,
// a sector of memory; 8 store the vectors of 4 rows for 2 values of k, which turning every second
// value of k by half a line spreads over the banks of workgroup memory.
//
// Beside what matmul.wgsl gives: SIDE_ACROSS, SIDE_CHUNKS, SIDE_ALONG_K, SIDE_VECTORS (whether it is
// read by vectors) and SIDE_EDGE (whether a tile may reach past side_size() across), side_size(),
// load_side_element(e) and load_side_vector(i).

const SIDE_VECTORS_OF_K = SIDE_ACROSS * SIDE_CHUNKS;
const SIDE_SLICE = SIDE_VECTORS_OF_K * BK;
const SIDE_LOADS = SIDE_SLICE / THREADS;
const SIDE_TURNS = SIDE_ALONG_K && SIDE_ACROSS >= 8u && THREADS >= 8u * BK;

var<workgroup> side_tile: array<vec4<T>, SIDE_SLICE * BUFFERS>;

// The value of k in the slice that vector t has.
fn side_k(t: u32) -> u32 {
  if (SIDE_ALONG_K) { return t / 4u % BK; }
  return t / SIDE_VECTORS_OF_K;
}

// Its first element across.
fn side_across(t: u32) -> u32 {
  if (SIDE_ALONG_K) { return 4u * (t % 4u + t / (4u * BK) * 4u); }
  return 4u * (t % SIDE_VECTORS_OF_K);
}

// What is turned in the places of the vectors of a value of k.
fn side_turn(k: u32) -> u32 {
  return select(0u, k % 2u * 4u, SIDE_TURNS);
}

// Its place in workgroup memory.
fn side_slot(t: u32) -> u32 {
  let k = side_k(t);
  return k * SIDE_VECTORS_OF_K + ((side_across(t) / 4u) ^ side_turn(k));
}

// The way in memory, in vectors if it is read by them.
fn side_way(k: u32, across: vec4<u32>) -> vec4<u32> {
  if (SIDE_ALONG_K) { return k + across * params.side_step; }
  if (SIDE_VECTORS) { return (k * params.side_step + across) / 4u; }
  return k * params.side_step + across;
}

// The places in memory of vector t's elements, in the slice that begins at k = 0. Elements past the
// edge repeat the last ones: what they give is never stored.
fn side_place(tile: Tile, t: u32) -> vec4<u32> {
  var across = vec4<u32>(tile.side_start + side_across(t));
  if (SIDE_VECTORS) {
    across = min(across, vec4<u32>(side_size() - 4u));
  } else if (!SIDE_ALONG_K || SIDE_EDGE) {
    across = min(across + LANES, vec4<u32>(side_size() - 1u));
  }
  return tile.side_base / select(1u, 4u, SIDE_VECTORS) + side_way(side_k(t), across);
}

// The way from vector local to the vector that comes t after it. It is the same for all invocations
// unless an edge lies in between.
fn side_distance(tile: Tile, local: u32, t: u32) -> vec4<u32> {
  if (!SIDE_ALONG_K) { return side_way(side_k(t), vec4<u32>()); }
  if (!SIDE_EDGE) { return side_way(side_k(t), side_across(t) + LANES); }
  return side_place(tile, local + t) - side_place(tile, local);
}

fn side_load(at: vec4<u32>) -> vec4<T> {
  if (SIDE_VECTORS) { return load_side_vector(at.x); }
  return vec4<T>(
    load_side_element(at.x), load_side_element(at.y), load_side_element(at.z),
    load_side_element(at.w));
}

// Load this invocation's vectors of the slice that begins at k0.
fn side_fetch(
  k0: u32, place: vec4<u32>, distances: ptr<function, array<vec4<u32>, SIDE_LOADS>>,
  next: ptr<function, array<vec4<T>, SIDE_LOADS>>,
) {
  let at = place + side_way(k0, vec4<u32>());
  for (var i = 0u; i < SIDE_LOADS; i++) {  // unroll
    (*next)[i] = side_load(at + (*distances)[i]);
  }
}

// The same, but zero from value `count` of k on.
fn side_fetch_some(
  k0: u32, count: u32, local: u32, place: vec4<u32>,
  distances: ptr<function, array<vec4<u32>, SIDE_LOADS>>,
  next: ptr<function, array<vec4<T>, SIDE_LOADS>>,
) {
  let at = place + side_way(k0, vec4<u32>());
  for (var i = 0u; i < SIDE_LOADS; i++) {  // unroll
    if (side_k(local + i * THREADS) < count) { (*next)[i] = side_load(at + (*distances)[i]); }
  }
}
