// Sums of the values of each line that share a place, of lines that a workgroup sorts by itself:
//   output[line * length + place] = sum over the j with index[line, j] == place of values[line, j]
//
// SPAN, a power of two, is the length of a line with its padding. Places and j are sorted as one
// number, place * SPAN + j, by Batcher's bitonic network ("Sorting networks and their applications",
// AFIPS 1968), so that equal places keep their order. A negative index counts from the end; one that
// is outside is reported as a fault with the code of its message. The prelude gives the alias T and
// the loads of `values`.

struct Params {
  lines: u32, count: u32, length: u32,
  offset: u32, line_step: u32, step: u32,  // of the index
  v_offset: u32, out_offset: u32, code: u32,
}

@group(0) @binding(0) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> output: array<T>;
@group(0) @binding(3) var<storage, read_write> fault: array<atomic<u32>, 4>;
@group(0) @binding(4) var<uniform> params: Params;

const ELEMENTS = 1024u;
const NONE = 0xffffffffu;

var<workgroup> keys: array<u32, ELEMENTS>;
var<workgroup> terms: array<T, ELEMENTS>;

fn key_of(line: u32, j: u32) -> u32 {
  let length = i32(params.length);
  let given = index[params.offset + line * params.line_step + j * params.step];
  let row = select(given, given + length, given < 0);
  if (row >= 0 && row < length) { return u32(row) * SPAN + j; }
  if (atomicCompareExchangeWeak(&fault[0], 0u, params.code).exchanged) {
    atomicStore(&fault[1], bitcast<u32>(given));
    atomicStore(&fault[2], params.length);
  }
  return NONE;
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let first = (group.y * groups.x + group.x) * (ELEMENTS / SPAN);
  for (var e = local; e < ELEMENTS; e += 256u) {
    let line = first + e / SPAN;
    let j = e % SPAN;
    keys[e] = NONE;
    if (line < params.lines && j < params.count) {
      keys[e] = key_of(line, j);
      terms[e] = load_values_element(params.v_offset + line * params.count + j);
    }
  }
  workgroupBarrier();
  for (var block = 2u; block <= SPAN; block *= 2u) {
    for (var reach = block / 2u; reach > 0u; reach /= 2u) {
      for (var pair = local; pair < ELEMENTS / 2u; pair += 256u) {
        let low = pair / reach * reach * 2u + pair % reach;
        let high = select(low + reach, low ^ (block - 1u), reach == block / 2u);
        let a = keys[low];
        let b = keys[high];
        keys[low] = min(a, b);
        keys[high] = max(a, b);
      }
      workgroupBarrier();
    }
  }
  for (var e = local; e < ELEMENTS; e += 256u) {
    if (keys[e] == NONE) { continue; }
    let place = keys[e] / SPAN;
    let start = e / SPAN * SPAN;
    if (keys[max(e, start + 1u) - 1u] / SPAN == place && e > start) { continue; }
    var sum = T(0);
    for (var k = e; k < start + SPAN; k++) {
      if (keys[k] == NONE || keys[k] / SPAN != place) { break; }
      sum += terms[start + keys[k] % SPAN];
    }
    output[params.out_offset + (first + e / SPAN) * params.length + place] = sum;
  }
}
