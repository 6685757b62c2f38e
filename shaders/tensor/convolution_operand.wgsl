// The vectors of an operand of matmul.wgsl that a convolution gathers; see matmul_slice.wgsl.
//
// An element lies at the sum of two points, one of its place across and one of its k. Where SIDE_BOUNDED
// is set it is zero unless that sum is inside of height x width; negative numbers wrap to large ones.
// The points across are found once: along k each vector of an invocation has its own, else all share
// one. With SIDE_VECTORS four neighbours across are a vector of the source.
//
// Beside what that has: side_across_point(i), side_k_point(k), side_size(), load_side_element(e) and
// load_side_vector(i).

struct SidePlace { k: u32, offset: vec4<u32>, h: vec4<u32>, w: vec4<u32> }
alias SideDistance = SidePlace;

fn side_place(tile: Tile, t: u32) -> SidePlace {
  let across = min(vec4<u32>(tile.side_start + side_across(t)) + LANES, vec4<u32>(side_size() - 1u));
  let x = side_across_point(across.x);
  let y = side_across_point(across.y);
  let z = side_across_point(across.z);
  let w = side_across_point(across.w);
  return SidePlace(
    side_k(t), vec4<u32>(tile.side_base) + vec4<u32>(x.offset, y.offset, z.offset, w.offset),
    vec4<u32>(x.h, y.h, z.h, w.h), vec4<u32>(x.w, y.w, z.w, w.w));
}

fn side_distance(tile: Tile, local: u32, t: u32) -> SideDistance {
  var place = SidePlace();
  if (SIDE_ALONG_K) { place = side_place(tile, local + t); }
  place.k = side_k(t);
  return place;
}

fn side_gather(place: SidePlace, point: Point) -> vec4<T> {
  let at = place.offset + vec4<u32>(point.offset);
  if (SIDE_VECTORS) { return load_side_vector(at.x / 4u); }
  if (!SIDE_BOUNDED) {
    return vec4<T>(
      load_side_element(at.x), load_side_element(at.y), load_side_element(at.z),
      load_side_element(at.w));
  }
  let inside = (place.h + vec4<u32>(point.h) < vec4<u32>(params.height)) &
    (place.w + vec4<u32>(point.w) < vec4<u32>(params.width));
  var v = vec4<T>();
  if (inside.x) { v.x = load_side_element(at.x); }
  if (inside.y) { v.y = load_side_element(at.y); }
  if (inside.z) { v.z = load_side_element(at.z); }
  if (inside.w) { v.w = load_side_element(at.w); }
  return v;
}

fn side_fetch(
  k0: u32, place: SidePlace, distances: ptr<function, array<SideDistance, SIDE_LOADS>>,
  next: ptr<function, array<vec4<T>, SIDE_LOADS>>,
) {
  for (var i = 0u; i < SIDE_LOADS; i++) {  // unroll
    var at = place;
    if (SIDE_ALONG_K) { at = (*distances)[i]; }
    (*next)[i] = side_gather(at, side_k_point(k0 + place.k + (*distances)[i].k));
  }
}

// The same, but zero from value `count` of k on.
fn side_fetch_some(
  k0: u32, count: u32, local: u32, place: SidePlace,
  distances: ptr<function, array<SideDistance, SIDE_LOADS>>,
  next: ptr<function, array<vec4<T>, SIDE_LOADS>>,
) {
  for (var i = 0u; i < SIDE_LOADS; i++) {  // unroll
    var at = place;
    if (SIDE_ALONG_K) { at = (*distances)[i]; }
    let k = place.k + (*distances)[i].k;
    if (k < count) { (*next)[i] = side_gather(at, side_k_point(k0 + k)); }
  }
}
