// Scans along the middle axis of (outer, length, inner), each invocation along a part of `share`
// elements of a column, or with VECTORS of 4 neighbouring columns (V is then a vector). What comes
// before a part is given by the prelude's `carry`. With TOTALS the output is, for each part, the
// combination of its elements. REVERSE as in scan_rows.wgsl.
//
// The prelude gives the aliases T and V, `merge(a, b)` of two V, `load(i)`, `store(i, v)` and
// `carry(i)`, i in units of V.

struct Params { outer: u32, length: u32, width: u32, offset: u32, parts: u32, share: u32, identity: T }

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let item = (group.y * groups.x + group.x) * 256u + local;
  if (item >= params.outer * params.parts * params.width) { return; }
  let column = item % params.width;
  let o = item / params.width / params.parts;
  let part = item / params.width % params.parts;
  let start = part * params.share;
  let end = min(start + params.share, params.length);
  let first = select(start, params.length - 1u - start, REVERSE);
  let step = select(params.width, 0u - params.width, REVERSE);
  var at = (o * params.length + first) * params.width + column;

  var sum = V(params.identity);
  if (TOTALS) {
    for (var r = start; r < end; r += 1u) {
      sum = merge(sum, load(params.offset + at));
      at += step;
    }
    store(item, sum);
    return;
  }
  if (part > 0u) { sum = carry(item - params.width); }
  for (var r = start; r + 3u < end; r += 4u) {
    let source = params.offset + at;
    let a = load(source);
    let b = load(source + step);
    let c = load(source + 2u * step);
    let d = load(source + 3u * step);
    let first = merge(sum, a);
    let second = merge(first, b);
    let third = merge(second, c);
    sum = merge(third, d);
    store(at, first);
    store(at + step, second);
    store(at + 2u * step, third);
    store(at + 3u * step, sum);
    at += 4u * step;
  }
  for (var r = end - (end - start) % 4u; r < end; r += 1u) {
    sum = merge(sum, load(params.offset + at));
    store(at, sum);
    at += step;
  }
}
