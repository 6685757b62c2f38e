// Sums of the rows that share a key. `keys` are sorted, and `order` says which row each belongs to:
//   output[o, key, i] = sum over s with keys[s] == key of values[o, order[s], i]
//
// An invocation takes LENGTH neighbouring s and, of the columns (o, i), 4 (VECTORS) or one; LANES
// stand side by side. What begins and ends among its s is written; the parts of a sum that goes on
// are left for segment_joins.wgsl: parts[2 c] of what began before c, parts[2 c + 1] of what goes
// on after it. The prelude gives the alias T, the loads of `values`, and V: T or vec4<T>.

struct Params {
  count: u32, columns: u32, inner: u32,   // columns and inner in units of V
  v_offset: u32, v_outer: u32, v_step: u32, v_inner: u32,
  out_offset: u32, out_outer: u32,
  skip: i32, chunks: u32, strips: u32,
}

@group(0) @binding(0) var<storage, read> keys: array<i32>;
@group(0) @binding(1) var<storage, read> order: array<i32>;
@group(0) @binding(3) var<storage, read_write> output: array<V>;
@group(0) @binding(4) var<storage, read_write> parts: array<V>;
@group(0) @binding(5) var<uniform> params: Params;

const AHEAD = 4u;  // rows that are on their way at a time

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  let column = number % params.strips * LANES + local % LANES;
  let chunk = number / params.strips * (256u / LANES) + local / LANES;
  if (chunk >= params.chunks || column >= params.columns) { return; }
  let o = column / params.inner;
  let i = column % params.inner;
  let from_base = params.v_offset + o * params.v_outer + i * params.v_inner;
  let to_base = params.out_offset + o * params.out_outer + i;
  let start = chunk * LENGTH;
  let end = min(start + LENGTH, params.count);

  var key = keys[start];
  var begins = true;
  if (start > 0u) { begins = keys[start - 1u] != key; }
  var sum = V(0);
  var rows: array<V, AHEAD>;
  var names: array<i32, AHEAD>;
  for (var s = start; s < end; s += AHEAD) {
    for (var a = 0u; a < AHEAD; a++) {  // unroll
      let at = min(s + a, end - 1u);
      names[a] = keys[at];
      rows[a] = load(from_base + u32(order[at]) * params.v_step);
    }
    for (var a = 0u; a < AHEAD; a++) {  // unroll
      if (s + a < end) {
        if (names[a] != key) {
          if (!begins) {
            parts[2u * chunk * params.columns + column] = sum;
          } else if (key >= 0 && key != params.skip) {
            output[to_base + u32(key) * params.inner] = sum;
          }
          key = names[a];
          begins = true;
          sum = V(0);
        }
        sum += rows[a];
      }
    }
  }
  var ends = true;
  if (end < params.count) { ends = keys[end] != key; }
  if (!begins) {
    parts[2u * chunk * params.columns + column] = sum;
  } else if (!ends) {
    parts[(2u * chunk + 1u) * params.columns + column] = sum;
  } else if (key >= 0 && key != params.skip) {
    output[to_base + u32(key) * params.inner] = sum;
  }
}
