// The last step of a pass: every element goes to its row's place for its digit, in the order in which
// the elements stand. A place is the sum of the digits before it (totals), of the same digit in the
// blocks before (table), and of the same digit before it in its block.
//
// A block is taken in tiles of 256 * KEYS elements, each sorted in workgroup memory, 4 bits of the
// digit at a time, so that elements of one digit are written side by side. An element's rank among
// those 4 bits comes from a map with a bit for each element under its digit: 32 elements a word, the
// words of all 16 digits next to each other.
//
// The prelude gives `fetch`, `key` and `word`, as in sort_rows.wgsl, `origin_at(e, column)`, the column
// that element e came from, and `write(e, bits, origin)`.

struct Params { rows: u32, length: u32, offset: u32, blocks: u32, share: u32, shift: u32 }

const TILE = 256u * KEYS;
const HALF = TILE / 2u;  // words of the map, and those of its sums
const DIGITS = 1u << BITS;

var<workgroup> memory: array<atomic<u32>, TILE>;
var<workgroup> sums: array<u32, 256>;
var<workgroup> places: array<u32, 256>;  // of the next element of each digit

fn digit_of(bits: u32) -> u32 { return (key(bits) >> params.shift) % DIGITS; }

// Words of the map before and at which the elements of a digit stand: for word i of 16 neighbours.
fn sum_map(local: u32) {
  let part = local / 16u;
  let digit = local % 16u;
  let first = part * (KEYS / 2u) * 16u + digit;
  var sum = 0u;
  for (var i = 0u; i < KEYS / 2u; i++) { sum += countOneBits(atomicLoad(&memory[first + i * 16u])); }
  sums[local] = sum;
  workgroupBarrier();
  var before = 0u;
  for (var i = digit; i < local; i += 16u) { before += sums[i]; }
  workgroupBarrier();
  if (part == 15u) { sums[digit] = before + sum; }
  workgroupBarrier();
  for (var i = 0u; i < digit; i++) { before += sums[i]; }
  for (var i = 0u; i < KEYS / 2u; i++) {
    let at = first + i * 16u;
    atomicStore(&memory[HALF + at], before);
    before += countOneBits(atomicLoad(&memory[at]));
  }
  workgroupBarrier();
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.rows * params.blocks) { return; }
  let row = number / params.blocks;
  let block = number % params.blocks;
  let base = params.offset + row * params.length;

  var total = 0u;
  if (local < DIGITS) { total = totals[row * DIGITS + local]; }
  sums[local] = total;
  workgroupBarrier();
  for (var reach = 1u; reach < DIGITS; reach *= 2u) {
    var before = 0u;
    if (local >= reach) { before = sums[local - reach]; }
    workgroupBarrier();
    sums[local] += before;
    workgroupBarrier();
  }
  if (local < DIGITS) {
    let earlier = table[(row * DIGITS + local) * params.blocks + block];
    places[local] = row * params.length + sums[local] - total + earlier;
  }

  let bit = 1u << (local % 32u);
  let end = min((block + 1u) * params.share, params.length);
  for (var start = block * params.share; start < end; start += TILE) {
    let count = min(TILE, end - start);
    var bits: array<u32, KEYS>;
    var origins: array<u32, KEYS>;
    var ranks: array<u32, KEYS>;
    for (var j = 0u; j < KEYS; j++) {  // unroll
      let p = j * 256u + local;
      if (p < count) {
        bits[j] = fetch(base + start + p);
        origins[j] = origin_at(base + start + p, start + p);
      }
    }
    for (var low = 0u; low < BITS; low += 4u) {
      for (var i = local; i < HALF; i += 256u) { atomicStore(&memory[i], 0u); }
      workgroupBarrier();
      for (var j = 0u; j < KEYS; j++) {  // unroll
        let digit = select(15u, (digit_of(bits[j]) >> low) & 15u, j * 256u + local < count);
        ranks[j] = (j * 8u + local / 32u) * 16u + digit;
        atomicOr(&memory[ranks[j]], bit);
      }
      workgroupBarrier();
      sum_map(local);
      for (var j = 0u; j < KEYS; j++) {  // unroll
        let equal = countOneBits(atomicLoad(&memory[ranks[j]]) & (bit - 1u));
        ranks[j] = atomicLoad(&memory[HALF + ranks[j]]) + equal;
      }
      workgroupBarrier();
      for (var j = 0u; j < KEYS; j++) {  // unroll
        atomicStore(&memory[ranks[j]], origins[j]);
      }
      workgroupBarrier();
      for (var j = 0u; j < KEYS; j++) {  // unroll
        origins[j] = atomicLoad(&memory[j * 256u + local]);
      }
      workgroupBarrier();
      for (var j = 0u; j < KEYS; j++) {  // unroll
        atomicStore(&memory[ranks[j]], bits[j]);
      }
      workgroupBarrier();
      for (var j = 0u; j < KEYS; j++) {  // unroll
        bits[j] = atomicLoad(&memory[j * 256u + local]);
      }
      workgroupBarrier();
    }
    // The tile is sorted, and its bits are in memory still: where a digit begins, its place is
    // moved back by as much as its elements have moved on, and behind its end to the next place.
    for (var j = 0u; j < KEYS; j++) {  // unroll
      let p = j * 256u + local;
      let digit = digit_of(bits[j]);
      let before = digit_of(atomicLoad(&memory[max(p, 1u) - 1u]));
      if (p < count && (p == 0u || before != digit)) { places[digit] -= p; }
    }
    workgroupBarrier();
    for (var j = 0u; j < KEYS; j++) {  // unroll
      let p = j * 256u + local;
      if (p < count) { write(places[digit_of(bits[j])] + p, bits[j], origins[j]); }
    }
    workgroupBarrier();
    for (var j = 0u; j < KEYS; j++) {  // unroll
      let p = j * 256u + local;
      let digit = digit_of(bits[j]);
      let after = digit_of(atomicLoad(&memory[min(p + 1u, TILE - 1u)]));
      if (p < count && (p + 1u == count || after != digit)) { places[digit] += p + 1u; }
    }
    workgroupBarrier();
  }
}
