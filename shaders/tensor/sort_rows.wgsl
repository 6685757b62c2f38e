// Short rows in the order of their keys, each sorted in workgroup memory by Batcher's bitonic network
// ("Sorting networks and their applications", AFIPS 1968). Equal keys keep their order: pairs are
// compared by key, then by column, so that no two are equal.
//
// SPAN, a power of two, is the length of a row with its padding. The prelude gives `fetch(e)`, the
// bits of an element, `key(bits)`, unsigned and in the wanted order, and `word(bits)` to be stored.

struct Params { rows: u32, length: u32, offset: u32 }

@group(0) @binding(1) var<storage, read_write> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> columns: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

const ELEMENTS = 1024u;

var<workgroup> keys: array<u32, ELEMENTS>;
var<workgroup> origins: array<u32, ELEMENTS>;

fn order(low: u32, high: u32) {
  let a = vec2<u32>(keys[low], origins[low]);
  let b = vec2<u32>(keys[high], origins[high]);
  if (b.x < a.x || (b.x == a.x && b.y < a.y)) {
    keys[low] = b.x;
    origins[low] = b.y;
    keys[high] = a.x;
    origins[high] = a.y;
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let first = (group.y * groups.x + group.x) * (ELEMENTS / SPAN);
  for (var e = local; e < ELEMENTS; e += 256u) {
    let row = first + e / SPAN;
    let column = e % SPAN;
    keys[e] = 0xffffffffu;
    if (row < params.rows && column < params.length) {
      keys[e] = key(fetch(params.offset + row * params.length + column));
    }
    origins[e] = column;
  }
  workgroupBarrier();
  for (var block = 2u; block <= SPAN; block *= 2u) {
    for (var reach = block / 2u; reach > 0u; reach /= 2u) {
      for (var pair = local; pair < ELEMENTS / 2u; pair += 256u) {
        let low = pair / reach * reach * 2u + pair % reach;
        order(low, select(low + reach, low ^ (block - 1u), reach == block / 2u));
      }
      workgroupBarrier();
    }
  }
  for (var e = local; e < ELEMENTS; e += 256u) {
    let row = first + e / SPAN;
    let column = e % SPAN;
    if (row < params.rows && column < params.length) {
      let origin = origins[e];
      values[row * params.length + column] = word(fetch(params.offset + row * params.length + origin));
      columns[row * params.length + column] = origin;
    }
  }
}
