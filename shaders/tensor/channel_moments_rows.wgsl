// Moments of each row of a contiguous matrix, in parts:
//   FINAL:  moments[row] = mean, moments[rows + row] = 1 / sqrt(mean((x - mean)^2) + eps)
//   else    partial[split * rows + row] = (mean, sum((x - mean)^2)) of a part of `share` elements
//
// LANES invocations a row. Each takes 16 elements at a time: their moments join those before, and
// those of the invocations join in a fixed tree (Chan, Golub and LeVeque, 1979), so that no large
// squares are subtracted. The prelude gives the loads of x and the output.

struct Params { rows: u32, length: u32, share: u32, x_offset: u32, eps: f32 }

var<workgroup> scratch: array<Moments, 256>;

// Four columns of moments, which have the same count.
struct Four { count: f32, mean: vec4<f32>, squares: vec4<f32> }

fn taken(before: Four, count: f32, mean: vec4<f32>, squares: vec4<f32>) -> Four {
  let total = before.count + count;
  let part = count / total;
  let apart = mean - before.mean;
  let more = select(apart * apart * (before.count * part), vec4<f32>(0.0), before.count == 0.0);
  return Four(total, before.mean + apart * part, before.squares + squares + more);
}

fn sixteen(v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>, before: Four) -> Four {
  let mean = ((v0 + v1) + (v2 + v3)) * 0.25;
  let d0 = v0 - mean;
  let d1 = v1 - mean;
  let d2 = v2 - mean;
  let d3 = v3 - mean;
  return taken(before, 4.0, mean, (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3));
}

fn elements(at: u32) -> vec4<f32> {
  return vec4<f32>(
    load_x_element(at), load_x_element(at + LANES),
    load_x_element(at + 2u * LANES), load_x_element(at + 3u * LANES));
}

fn gather(base: u32, lane: u32, start: u32, end: u32) -> Moments {
  var four = Four(0.0, vec4<f32>(0.0), vec4<f32>(0.0));
  var rest = Four(0.0, vec4<f32>(0.0), vec4<f32>(0.0));
  if (VECTORS) {
    let first = base / 4u;
    let last = end / 4u;
    var i = start / 4u + lane;
    for (; i + 3u * LANES < last; i += 4u * LANES) {
      four = sixteen(
        load_x_vector(first + i), load_x_vector(first + i + LANES),
        load_x_vector(first + i + 2u * LANES), load_x_vector(first + i + 3u * LANES), four);
    }
    for (; i < last; i += LANES) {
      four = taken(four, 1.0, load_x_vector(first + i), vec4<f32>(0.0));
    }
  } else {
    var r = start + lane;
    for (; r + 15u * LANES < end; r += 16u * LANES) {
      let at = base + r;
      four = sixteen(
        elements(at), elements(at + 4u * LANES),
        elements(at + 8u * LANES), elements(at + 12u * LANES), four);
    }
    for (; r + 3u * LANES < end; r += 4u * LANES) {
      four = taken(four, 1.0, elements(base + r), vec4<f32>(0.0));
    }
    for (; r < end; r += LANES) {
      rest = taken(rest, 1.0, vec4<f32>(load_x_element(base + r)), vec4<f32>(0.0));
    }
  }
  let xy = joined(moments_of(four, 0u), moments_of(four, 1u));
  let zw = joined(moments_of(four, 2u), moments_of(four, 3u));
  return joined(joined(xy, zw), moments_of(rest, 0u));
}

fn moments_of(four: Four, j: u32) -> Moments {
  return Moments(four.count, four.mean[j], four.squares[j]);
}

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
  scratch[local] = gather(params.x_offset + row * params.length, lane, start, end);
  workgroupBarrier();
  for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
    if (lane < reach) { scratch[local] = joined(scratch[local], scratch[local + reach]); }
    workgroupBarrier();
  }
  if (inside && lane == 0u) {
    let all = scratch[local];
    if (FINAL) {
      moments[row] = all.mean;
      moments[params.rows + row] = inverseSqrt(all.squares / all.count + params.eps);
    } else {
      let at = 2u * (group.z * params.rows + row);
      moments[at] = all.mean;
      moments[at + 1u] = all.squares;
    }
  }
}
