// Where the slices of one operand of matmul.wgsl lie in workgroup memory, and who brings which vector.
//
// _gpu/matmul_source.py writes this text twice, with a and with b for "side", and behind it how the
// vectors are found in memory: matmul_operand.wgsl, or convolution_operand.wgsl. A slice is made of
// vectors: 4 neighbours across k, along m or n, of one value of k. All sizes are powers of two, so
// the place of vector local + t is that of local and that of t, a multiple of THREADS, together.
//
// Only whole vectors are stored, for storing a component may be done as reading and storing the
// vector, and invocations must then not share one. Of an operand that lies along k each invocation
// therefore gathers 4 elements from 4 rows. 32 invocations read 8 values of k of each of their rows,
// a sector of memory; 8 store the vectors of 4 rows for 2 values of k, which turning every second
// value of k by half a line spreads over the banks of workgroup memory.
//
// Beside what matmul.wgsl gives: SIDE_ACROSS, SIDE_CHUNKS, SIDE_ALONG_K.

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
