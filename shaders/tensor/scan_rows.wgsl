// Scans along the rows of a matrix: output[row][i] = the combination of input[row][0 .. i], or with
// REVERSE of input[row][i ..]. LANES invocations take a part of `share` elements of a row, each with
// 4 vectors of 4 elements at a time; what comes before a part is given by the prelude's `carry`.
// With TOTALS, output[line] is the combination of each part, a line, instead.
//
// The prelude gives the alias T, `combine`, `carry(line)`, the loads of the input, `store_total`, and
// `store_vector(v, v)` (VECTORS: every row begins and ends on one) or `store_element(e, x)`.

struct Params { rows: u32, length: u32, offset: u32, parts: u32, share: u32, identity: T }

var<workgroup> scratch: array<vec4<T>, 512>;

fn combine_one(a: T, b: T) -> T { return combine(vec4<T>(a), vec4<T>(b)).x; }

fn mirrored(i: u32) -> u32 { return select(i, params.length - 1u - i, REVERSE); }

// Elements i .. i + 3 of the row at `base`; none from `end` on.
fn load(base: u32, i: u32, end: u32) -> vec4<T> {
  var v = vec4<T>(params.identity);
  if (VECTORS) {
    if (i < end) {
      v = load_input_vector((base + min(mirrored(i), mirrored(i + 3u))) / 4u);
      if (REVERSE) { v = v.wzyx; }
    }
  } else {
    if (i < end) { v.x = load_input_element(base + mirrored(i)); }
    if (i + 1u < end) { v.y = load_input_element(base + mirrored(i + 1u)); }
    if (i + 2u < end) { v.z = load_input_element(base + mirrored(i + 2u)); }
    if (i + 3u < end) { v.w = load_input_element(base + mirrored(i + 3u)); }
  }
  return v;
}

fn store(row: u32, i: u32, end: u32, v: vec4<T>) {
  let base = row * params.length;
  if (VECTORS) {
    if (i < end) { store_vector((base + min(mirrored(i), mirrored(i + 3u))) / 4u, select(v, v.wzyx, REVERSE)); }
  } else {
    if (i < end) { store_element(base + mirrored(i), v.x); }
    if (i + 1u < end) { store_element(base + mirrored(i + 1u), v.y); }
    if (i + 2u < end) { store_element(base + mirrored(i + 2u), v.z); }
    if (i + 3u < end) { store_element(base + mirrored(i + 3u), v.w); }
  }
}

fn scanned(v: vec4<T>) -> vec4<T> {
  let y = combine_one(v.x, v.y);
  let z = combine_one(y, v.z);
  return vec4<T>(v.x, y, z, combine_one(z, v.w));
}

fn joined(v: vec4<T>) -> T {
  let pairs = combine(v, v.zwxy);
  return combine_one(pairs.x, pairs.y);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % LANES;
  let line = (group.y * groups.x + group.x) * (256u / LANES) + local / LANES;
  let inside = line < params.rows * params.parts;
  let row = line / params.parts;
  let start = line % params.parts * params.share;
  let end = select(0u, min(start + params.share, params.length), inside);
  let base = params.offset + row * params.length;
  let none = vec4<T>(params.identity);

  if (TOTALS) {
    var s0 = none;
    var s1 = none;
    var s2 = none;
    var s3 = none;
    for (var i = start + 4u * lane; i < start + params.share; i += 16u * LANES) {
      s0 = combine(s0, load(base, i, end));
      s1 = combine(s1, load(base, i + 4u * LANES, end));
      s2 = combine(s2, load(base, i + 8u * LANES, end));
      s3 = combine(s3, load(base, i + 12u * LANES, end));
    }
    scratch[local] = combine(combine(s0, s1), combine(s2, s3));
    workgroupBarrier();
    for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
      if (lane < reach) { scratch[local] = combine(scratch[local], scratch[local + reach]); }
      workgroupBarrier();
    }
    if (inside && lane == 0u) { store_total(line, joined(scratch[local])); }
    return;
  }

  var before = params.identity;
  if (inside) { before = carry(line); }
  for (var step = 0u; step < params.share; step += 16u * LANES) {
    let i = start + step + 4u * lane;
    let v0 = scanned(load(base, i, end));
    let v1 = scanned(load(base, i + 4u * LANES, end));
    let v2 = scanned(load(base, i + 8u * LANES, end));
    let v3 = scanned(load(base, i + 12u * LANES, end));
    scratch[local] = vec4<T>(v0.w, v1.w, v2.w, v3.w);
    workgroupBarrier();
    var half = 0u;
    for (var reach = 1u; reach < LANES; reach *= 2u) {
      var sum = scratch[half + local];
      if (lane >= reach) { sum = combine(scratch[half + local - reach], sum); }
      half = 256u - half;
      scratch[half + local] = sum;
      workgroupBarrier();
    }
    var within = none;
    if (lane > 0u) { within = scratch[half + local - 1u]; }
    let totals = scratch[half + local - lane + LANES - 1u];
    workgroupBarrier();
    let at0 = before;
    let at1 = combine_one(at0, totals.x);
    let at2 = combine_one(at1, totals.y);
    let at3 = combine_one(at2, totals.z);
    before = combine_one(at3, totals.w);
    let starts = combine(vec4<T>(at0, at1, at2, at3), within);
    store(row, i, end, combine(vec4<T>(starts.x), v0));
    store(row, i + 4u * LANES, end, combine(vec4<T>(starts.y), v1));
    store(row, i + 8u * LANES, end, combine(vec4<T>(starts.z), v2));
    store(row, i + 12u * LANES, end, combine(vec4<T>(starts.w), v3));
  }
}
