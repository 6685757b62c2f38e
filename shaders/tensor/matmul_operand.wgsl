// The vectors of an operand of matmul.wgsl that is a matrix with any steps; see matmul_slice.wgsl.
//
// Beside what that has: SIDE_VECTORS (whether it is read by vectors) and SIDE_EDGE (whether a tile may
// reach past side_size() across), side_size(), load_side_element(e) and load_side_vector(i).

alias SidePlace = vec4<u32>;
alias SideDistance = vec4<u32>;

// The way in memory, in vectors if it is read by them.
fn side_way(k: u32, across: vec4<u32>) -> vec4<u32> {
  if (SIDE_ALONG_K) { return k + across * params.side_step; }
  if (SIDE_VECTORS) { return (k * params.side_step + across) / 4u; }
  return k * params.side_step + across;
}

// The places in memory of vector t's elements, in the slice that begins at k = 0. Elements past the
// edge repeat the last ones: what they give is never stored.
fn side_place(tile: Tile, t: u32) -> SidePlace {
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
fn side_distance(tile: Tile, local: u32, t: u32) -> SideDistance {
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
  k0: u32, place: SidePlace, distances: ptr<function, array<SideDistance, SIDE_LOADS>>,
  next: ptr<function, array<vec4<T>, SIDE_LOADS>>,
) {
  let at = place + side_way(k0, vec4<u32>());
  for (var i = 0u; i < SIDE_LOADS; i++) {  // unroll
    (*next)[i] = side_load(at + (*distances)[i]);
  }
}

// The same, but zero from value `count` of k on.
fn side_fetch_some(
  k0: u32, count: u32, local: u32, place: SidePlace,
  distances: ptr<function, array<SideDistance, SIDE_LOADS>>,
  next: ptr<function, array<vec4<T>, SIDE_LOADS>>,
) {
  let at = place + side_way(k0, vec4<u32>());
  for (var i = 0u; i < SIDE_LOADS; i++) {  // unroll
    if (side_k(local + i * THREADS) < count) { (*next)[i] = side_load(at + (*distances)[i]); }
  }
}
