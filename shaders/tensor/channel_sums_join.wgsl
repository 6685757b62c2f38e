// Pairs of sums added up, over the parts of each statistic k:
//   output[dots_offset + k] = sum over j of partial[at(j, k)] * weight
//   output[sums_offset + k] = sum over j of partial[at(j, k) + size] * weight
// where at = split * 2 * size + i * i_step + k * k_step and j = split * each + i.
// and the weight is that of channel (k % groups) * each + i, or 1.
// A workgroup takes 16 statistics, 16 parts at a time.

struct Params {
  statistics: u32, parts: u32, each: u32, size: u32, i_step: u32, k_step: u32,
  groups: u32, weight_offset: u32, dots_offset: u32, sums_offset: u32,
}

var<workgroup> scratch: array<vec2<f32>, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  let k = number * 16u + local % 16u;
  let y = local / 16u;
  var mine = vec2<f32>(0.0);
  if (k < params.statistics) {
    for (var j = y; j < params.parts; j += 16u) {
      let i = j % params.each;
      let at = j / params.each * 2u * params.size + i * params.i_step + k * params.k_step;
      let pair = vec2<f32>(partial[at], partial[at + params.size]);
      mine += pair * weight_of((k % params.groups) * params.each + i);
    }
  }
  scratch[local] = mine;
  workgroupBarrier();
  for (var reach = 8u; reach > 0u; reach /= 2u) {
    if (y < reach) { scratch[local] += scratch[local + reach * 16u]; }
    workgroupBarrier();
  }
  if (y == 0u && k < params.statistics) {
    output[params.dots_offset + k] = scratch[local].x;
    output[params.sums_offset + k] = scratch[local].y;
  }
}
