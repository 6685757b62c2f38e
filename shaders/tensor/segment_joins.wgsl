// The sums that go on over several chunks of segment_sums.wgsl, from their parts.
//
// A workgroup belongs to a chunk and a strip of LANES columns; it has work where a sum begins in
// the chunk and goes on. Its 256 / LANES rows take parts in turn, and are added in a fixed tree.

struct Params {
  count: u32, columns: u32, inner: u32,
  out_offset: u32, out_outer: u32,
  skip: i32, chunks: u32, strips: u32,
}

@group(0) @binding(0) var<storage, read> keys: array<i32>;
@group(0) @binding(1) var<storage, read> parts: array<V>;
@group(0) @binding(2) var<storage, read_write> output: array<V>;
@group(0) @binding(3) var<uniform> params: Params;

const HEIGHT = 256u / LANES;

var<workgroup> scratch: array<V, 256>;

// The first chunk after `chunk` that does not begin with `key`; keys are sorted.
fn first_without(chunk: u32, key: i32) -> u32 {
  var low = chunk + 1u;
  var high = params.chunks;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (keys[middle * LENGTH] == key) { low = middle + 1u; } else { high = middle; }
  }
  return low;
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  let chunk = number / params.strips;
  if (chunk + 1u >= params.chunks) { return; }
  let start = chunk * LENGTH;
  let key = keys[start + LENGTH - 1u];
  if (key < 0 || key == params.skip || keys[start + LENGTH] != key) { return; }
  if (keys[start] == key && start > 0u) {
    if (keys[start - 1u] == key) { return; }
  }
  let column = number % params.strips * LANES + local % LANES;
  let y = local / LANES;
  let beyond = first_without(chunk, key);
  var sum = V(0);
  if (column < params.columns) {
    if (y == 0u) { sum = parts[(2u * chunk + 1u) * params.columns + column]; }
    for (var c = chunk + 1u + y; c < beyond; c += HEIGHT) {
      sum += parts[2u * c * params.columns + column];
    }
  }
  scratch[local] = sum;
  workgroupBarrier();
  for (var reach = HEIGHT / 2u; reach > 0u; reach /= 2u) {
    if (y < reach) { scratch[local] += scratch[local + reach * LANES]; }
    workgroupBarrier();
  }
  if (y == 0u && column < params.columns) {
    let o = column / params.inner;
    output[params.out_offset + o * params.out_outer + u32(key) * params.inner + column % params.inner] = scratch[local];
  }
}
