// target_words[o, row, i] = values[o, j, i] for the last j of each row: that which last.wgsl marked.
//
// `positions` lead to the marks, in row-major order of (marks_outer, length, marks_inner), and so
// to rows; they broadcast over the outer and the inner axis. Elements are words of 32 bits.

struct Params {
  size: u32, count: u32, inner: u32, length: u32, marks_inner: u32,
  t_offset: u32, t_outer: u32, t_step: u32, t_inner: u32,
  v_offset: u32, v_outer: u32, v_step: u32, v_inner: u32,
  p_outer: u32, p_step: u32, p_inner: u32,
}

@group(0) @binding(0) var<storage, read> positions: array<i32>;
@group(0) @binding(1) var<storage, read> marks: array<u32>;
@group(0) @binding(2) var<storage, read> values: array<u32>;
@group(0) @binding(3) var<storage, read_write> target_words: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.size; e += groups.x * 256u) {
    let i = e % params.inner;
    let j = e / params.inner % params.count;
    let o = e / params.inner / params.count;
    let position = positions[o * params.p_outer + j * params.p_step + i * params.p_inner];
    if (position < 0) { continue; }
    if (marks[position] != j + 1u) { continue; }
    let row = u32(position) / params.marks_inner % params.length;
    target_words[params.t_offset + o * params.t_outer + row * params.t_step + i * params.t_inner] =
      values[params.v_offset + o * params.v_outer + j * params.v_step + i * params.v_inner];
  }
}
