// Where each value belongs in its row of sorted edges: output[row][i] = how many edges are below
// values[row][i], or with RIGHT not above it. NaN is above all numbers.
//
// The prelude gives `fetch_edges(e)`, `fetch_values(e)`, the bits of an element, and `key(bits)`,
// unsigned and in order.

struct Params { size: u32, count: u32, length: u32, step: u32, edges_offset: u32, values_offset: u32 }

@group(0) @binding(2) var<storage, read_write> output: array<i32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.size; e += groups.x * 256u) {
    let row = params.edges_offset + e / params.count * params.step;
    let wanted = key(fetch_values(params.values_offset + e));
    var low = 0u;
    var high = params.length;
    while (low < high) {
      let middle = (low + high) / 2u;
      let edge = key(fetch_edges(row + middle));
      if (edge < wanted || (RIGHT && edge == wanted)) { low = middle + 1u; } else { high = middle; }
    }
    output[e] = i32(low);
  }
}
