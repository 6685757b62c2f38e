// Short rows in the order of their keys, each sorted in workgroup memory by Batcher's bitonic network
// ("Sorting networks and their applications", AFIPS 1968). Equal keys keep their order: pairs are
// compared by key, then by column, so that no two are equal. A longer row is cut into chunks, as
// equally long as can be, of which the first `count` elements in order are wanted.
//
// SPAN, a power of two, is the length of a chunk with its padding. The prelude gives `fetch(e)`, the
// bits of an element, `key(bits)`, unsigned and in the wanted order, `origin_at(e, column)`, the
// column that element e came from, and `write(e, bits, origin)`.

struct Params { rows: u32, length: u32, offset: u32, chunks: u32, count: u32 }

const ELEMENTS = 1024u;
const NOTHING = 0u;
const BETWEEN = 1u;
const MIRRORED = 2u;

var<workgroup> keys: array<u32, ELEMENTS>;
var<workgroup> origins: array<u32, ELEMENTS>;

// A key and the column that it came from.
fn element(e: u32) -> vec2<u32> { return vec2<u32>(keys[e], origins[e]); }

fn place(e: u32, given: vec2<u32>) {
  keys[e] = given.x;
  origins[e] = given.y;
}

fn ordered(a: vec2<u32>, b: vec2<u32>) -> vec4<u32> {
  return select(vec4<u32>(a, b), vec4<u32>(b, a), b.x < a.x || (b.x == a.x && b.y < a.y));
}

// The last step of the network on two pairs of neighbours, after the step before it: between the
// pairs, or between the elements of the one and the mirror image of the other.
fn order(places: vec4<u32>, before: u32) {
  var left = vec4<u32>(element(places.x), element(places.y));
  var right = vec4<u32>(element(places.z), element(places.w));
  if (before != NOTHING) {
    let other = select(right, right.zwxy, before == MIRRORED);
    let first = ordered(left.xy, other.xy);
    let second = ordered(left.zw, other.zw);
    left = vec4<u32>(first.xy, second.xy);
    right = vec4<u32>(first.zw, second.zw);
    right = select(right, right.zwxy, before == MIRRORED);
  }
  left = ordered(left.xy, left.zw);
  right = ordered(right.xy, right.zw);
  place(places.x, left.xy);
  place(places.y, left.zw);
  place(places.z, right.xy);
  place(places.w, right.zw);
}

// Where a chunk begins, and its length: 0 behind the last one.
fn part_of(line: u32) -> vec2<u32> {
  let chunk = line % params.chunks;
  let size = params.length / params.chunks;
  let longer = params.length % params.chunks;
  let start = line / params.chunks * params.length + chunk * size + min(chunk, longer);
  let length = size + select(0u, 1u, chunk < longer);
  return vec2<u32>(start, select(0u, length, line < params.rows * params.chunks));
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let line = (group.y * groups.x + group.x) * (ELEMENTS / SPAN);
  for (var e = local; e < ELEMENTS; e += 256u) {
    let part = part_of(line + e / SPAN);
    let column = e % SPAN;
    keys[e] = 0xffffffffu;
    if (column < part.y) { keys[e] = key(fetch(params.offset + part.x + column)); }
    origins[e] = column;
  }
  workgroupBarrier();
  for (var block = 2u; block <= SPAN; block *= 2u) {
    // The first step of a block pairs an element with its mirror image.
    var reach = block / 2u;
    if (reach > 1u) {
      let quarter = reach / 2u;
      let i = local / quarter * block + local % quarter;
      let mirror = local / quarter * block + block - 1u - local % quarter;
      order(vec4<u32>(i, i + quarter, mirror - quarter, mirror), MIRRORED);
      reach /= 4u;
      workgroupBarrier();
    }
    for (; reach > 1u; reach /= 4u) {
      let half = reach / 2u;
      let i = local / half * reach * 2u + local % half;
      order(vec4<u32>(i, i + half, i + reach, i + reach + half), BETWEEN);
      workgroupBarrier();
    }
    if (reach == 1u) {
      order(4u * local + vec4<u32>(0u, 1u, 2u, 3u), NOTHING);
      workgroupBarrier();
    }
  }
  for (var e = local; e < ELEMENTS; e += 256u) {
    let part = part_of(line + e / SPAN);
    let column = e % SPAN;
    if (column < min(part.y, params.count)) {
      let at = part.x + origins[e];
      let origin = origin_at(at, at % params.length);
      write((line + e / SPAN) * params.count + column, fetch(params.offset + at), origin);
    }
  }
}
