// Parts of moments joined to those of each statistic k, of `parts` parts:
//   moments[k] = mean,   moments[statistics + k] = 1 / sqrt(var + eps)
// RUNNING: running averages follow, with the variance that is divided by the count less one:
//   running_mean[k] += momentum * (mean - running_mean[k]), and running_var likewise;
// TRACKED: the number of batches grows by one.
//
// Part j of k is number `split * size + i * i_step + k * k_step`, where j = split * each + i, and has
// `least(share, length - split * share)` elements. A workgroup takes 16 statistics, 16 parts at a time.

struct Params {
  statistics: u32, parts: u32, each: u32, size: u32, i_step: u32, k_step: u32,
  length: u32, share: u32, mean_offset: u32, var_offset: u32, count_offset: u32,
  eps: f32, momentum: f32,
}

var<workgroup> scratch: array<Moments, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  let k = number * 16u + local % 16u;
  let y = local / 16u;
  var mine = Moments(0.0, 0.0, 0.0);
  if (k < params.statistics) {
    for (var j = y; j < params.parts; j += 16u) {
      let split = j / params.each;
      let at = split * params.size + (j % params.each) * params.i_step + k * params.k_step;
      let count = f32(min(params.share, params.length - split * params.share));
      mine = joined(mine, Moments(count, partial[2u * at], partial[2u * at + 1u]));
    }
  }
  scratch[local] = mine;
  workgroupBarrier();
  for (var reach = 8u; reach > 0u; reach /= 2u) {
    if (y < reach) { scratch[local] = joined(scratch[local], scratch[local + reach * 16u]); }
    workgroupBarrier();
  }
  if (y == 0u && k < params.statistics) {
    let all = scratch[local];
    moments[k] = all.mean;
    moments[params.statistics + k] = inverseSqrt(all.squares / all.count + params.eps);
    follow(k, all);
  }
}
