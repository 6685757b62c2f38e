// Sums over each row of the gradient g of a channel norm's result, and with the normalised x:
//   output[split * 2 * rows + row] = sum(g * (x - mean)) * scale
//   output[split * 2 * rows + rows + row] = sum(g)
// over a part of `share` elements, in a fixed tree. A row is a channel of a sample; its moments are
// number row % channels (BATCH) or row / each.

struct Params {
  rows: u32, length: u32, share: u32, statistics: u32, each: u32, x_offset: u32, g_offset: u32,
}

@group(0) @binding(2) var<storage, read> moments: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> scratch: array<vec2<f32>, 256>;

fn total(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % LANES;
  let row = (group.y * groups.x + group.x) * (256u / LANES) + local / LANES;
  let inside = row < params.rows;
  let start = group.z * params.share;
  let end = select(start, min(start + params.share, params.length), inside);
  let statistic = min(
    select(row / params.each, row % params.statistics, BATCH), params.statistics - 1u);
  let mean = vec4<f32>(moments[statistic]);
  let x_base = params.x_offset + row * params.length;
  let g_base = params.g_offset + row * params.length;

  var dots = vec4<f32>(0.0);
  var sums = vec4<f32>(0.0);
  var dots2 = vec4<f32>(0.0);
  var sums2 = vec4<f32>(0.0);
  if (VECTORS) {
    let last = end / 4u;
    var i = start / 4u + lane;
    for (; i + LANES < last; i += 2u * LANES) {
      let g = load_g_vector(g_base / 4u + i);
      let x = load_x_vector(x_base / 4u + i);
      let g2 = load_g_vector(g_base / 4u + i + LANES);
      let x2 = load_x_vector(x_base / 4u + i + LANES);
      sums += g;
      dots += g * (x - mean);
      sums2 += g2;
      dots2 += g2 * (x2 - mean);
    }
    if (i < last) {
      let g = load_g_vector(g_base / 4u + i);
      sums += g;
      dots += g * (load_x_vector(x_base / 4u + i) - mean);
    }
  } else {
    var r = start + lane;
    for (; r + 3u * LANES < end; r += 4u * LANES) {
      let a = g_base + r;
      let b = x_base + r;
      let g = vec4<f32>(
        load_g_element(a), load_g_element(a + LANES),
        load_g_element(a + 2u * LANES), load_g_element(a + 3u * LANES));
      let x = vec4<f32>(
        load_x_element(b), load_x_element(b + LANES),
        load_x_element(b + 2u * LANES), load_x_element(b + 3u * LANES));
      sums += g;
      dots += g * (x - mean);
    }
    for (; r < end; r += LANES) {
      let g = load_g_element(g_base + r);
      sums2.x += g;
      dots2.x += g * (load_x_element(x_base + r) - mean.x);
    }
  }
  scratch[local] = vec2<f32>(total(dots + dots2), total(sums + sums2));
  workgroupBarrier();
  for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
    if (lane < reach) { scratch[local] += scratch[local + reach]; }
    workgroupBarrier();
  }
  if (inside && lane == 0u) {
    let at = group.z * 2u * params.rows + row;
    output[at] = scratch[local].x * moments[params.statistics + statistic];
    output[at + params.rows] = scratch[local].y;
  }
}
