// output[o, j, i] = x[o, index[o, j, i], i], written in vectors of 4.
//
// The prelude gives the loads of x and the store. VECTORS: rows of x begin and end on a vector, so
// that an invocation reads one index and one vector; else 4 of each. A negative index counts from
// the end. One outside of [lowest, length) is reported as a fault with the code of its message:
// itself, and the length; its elements are 0. An invocation makes EACH vectors, which are read
// before the first is written.

struct Params {
  size: u32, count: u32, inner: u32, length: u32,
  x_offset: u32, x_outer: u32, x_step: u32, x_inner: u32,
  offset: u32, outer_step: u32, step: u32, inner_step: u32,  // of the index
  lowest: i32, code: u32,
}

@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> fault: array<atomic<u32>, 4>;
@group(0) @binding(4) var<uniform> params: Params;

struct Place { inside: bool, at: u32 }

// Where element e of the result comes from.
fn source_of(e: u32) -> Place {
  let i = e % params.inner;
  let line = e / params.inner;
  let j = line % params.count;
  let o = line / params.count;
  let given = index[params.offset + o * params.outer_step + j * params.step + i * params.inner_step];
  if (given < params.lowest || given >= i32(params.length)) {
    if (atomicCompareExchangeWeak(&fault[0], 0u, params.code).exchanged) {
      atomicStore(&fault[1], bitcast<u32>(given));
      atomicStore(&fault[2], params.length);
    }
    return Place(false, params.x_offset);
  }
  let row = bitcast<u32>(select(given, given + i32(params.length), given < 0));
  return Place(true, params.x_offset + o * params.x_outer + row * params.x_step + i * params.x_inner);
}

fn element(e: u32) -> T {
  let place = source_of(min(e, params.size - 1u));
  return select(T(0), load_x_element(place.at), place.inside);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let vectors = (params.size + 3u) / 4u;
  let start = (group.y * groups.x + group.x) * EACH * 256u + local;
  var found: array<vec4<T>, EACH>;
  for (var a = 0u; a < EACH; a++) {  // unroll
    let v = min(start + a * 256u, vectors - 1u);
    if (VECTORS) {
      let place = source_of(4u * v);
      found[a] = select(vec4<T>(0), load_x_vector(place.at / 4u), place.inside);
    } else {
      found[a] = vec4<T>(element(4u * v), element(4u * v + 1u), element(4u * v + 2u), element(4u * v + 3u));
    }
  }
  for (var a = 0u; a < EACH; a++) {  // unroll
    if (start + a * 256u < vectors) { output_store(start + a * 256u, found[a]); }
  }
}
