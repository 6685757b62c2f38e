// Sums of the rows that share a place, where places are few:
//   output[split, o, place, i] = sum over the j of a split with index[j] == place of values[o, j, i]
//
// A workgroup belongs to a split of 1024 j, a place, and a strip of LANES columns (o, i), of which an
// invocation takes 4 (VECTORS) or one. It lists the j of its place in order; its 256 / LANES rows take
// them in turn, and are added in a fixed tree. A negative index counts from the end; one that is
// outside is reported as a fault with the code of its message. The prelude gives the alias V: T or
// vec4<T>, and the loads of `values`.

struct Params {
  count: u32, columns: u32, inner: u32, length: u32,   // columns and inner in units of V
  offset: u32, step: u32,                              // of the index
  v_offset: u32, v_outer: u32, v_step: u32, v_inner: u32,
  out_offset: u32, out_outer: u32, out_split: u32,
  skip: i32, code: u32, strips: u32, splits: u32,
}

@group(0) @binding(0) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> output: array<V>;
@group(0) @binding(3) var<storage, read_write> fault: array<atomic<u32>, 4>;
@group(0) @binding(4) var<uniform> params: Params;

const HEIGHT = 256u / LANES;

var<workgroup> found: array<u32, 1024>;
var<workgroup> counts: array<u32, 256>;
var<workgroup> scratch: array<V, 256>;

fn report(given: i32) {
  if (atomicCompareExchangeWeak(&fault[0], 0u, params.code).exchanged) {
    atomicStore(&fault[1], bitcast<u32>(given));
    atomicStore(&fault[2], params.length);
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.strips * params.length * params.splits) { return; }
  let strip = number % params.strips;
  let place = number / params.strips % params.length;
  let split = number / params.strips / params.length;
  let length = i32(params.length);

  let first = split * 1024u + 4u * local;
  var hits = 0u;
  for (var a = 0u; a < 4u; a++) {
    if (first + a < params.count) {
      let given = index[params.offset + (first + a) * params.step];
      let row = select(given, given + length, given < 0);
      if (row == i32(place)) { hits |= 1u << a; }
      if (place == 0u && (row < 0 || row >= length)) { report(given); }
    }
  }
  counts[local] = countOneBits(hits);
  workgroupBarrier();
  for (var reach = 1u; reach < 256u; reach *= 2u) {
    var before = 0u;
    if (local >= reach) { before = counts[local - reach]; }
    workgroupBarrier();
    counts[local] += before;
    workgroupBarrier();
  }
  var at = counts[local] - countOneBits(hits);
  for (var a = 0u; a < 4u; a++) {
    if (((hits >> a) & 1u) == 1u) {
      found[at] = first + a;
      at += 1u;
    }
  }
  workgroupBarrier();
  let total = select(counts[255], 0u, i32(place) == params.skip);

  let column = strip * LANES + local % LANES;
  let y = local / LANES;
  let o = column / params.inner;
  let i = column % params.inner;
  var s0 = V(0);
  var s1 = V(0);
  var s2 = V(0);
  var s3 = V(0);
  if (column < params.columns) {
    let base = params.v_offset + o * params.v_outer + i * params.v_inner;
    var k = y;
    for (; k + 3u * HEIGHT < total; k += 4u * HEIGHT) {
      s0 += load(base + found[k] * params.v_step);
      s1 += load(base + found[k + HEIGHT] * params.v_step);
      s2 += load(base + found[k + 2u * HEIGHT] * params.v_step);
      s3 += load(base + found[k + 3u * HEIGHT] * params.v_step);
    }
    for (; k < total; k += HEIGHT) { s0 += load(base + found[k] * params.v_step); }
  }
  scratch[local] = (s0 + s1) + (s2 + s3);
  workgroupBarrier();
  for (var reach = HEIGHT / 2u; reach > 0u; reach /= 2u) {
    if (y < reach) { scratch[local] += scratch[local + reach * LANES]; }
    workgroupBarrier();
  }
  if (y == 0u && column < params.columns) {
    output[params.out_offset + split * params.out_split + o * params.out_outer + place * params.inner + i] = scratch[local];
  }
}
