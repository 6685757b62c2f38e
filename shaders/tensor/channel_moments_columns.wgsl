// Moments of each column of a contiguous matrix, in parts of `share` rows:
//   partial[split * columns + c] = (mean, sum((x - mean)^2))
//
// A workgroup takes a strip of 32 columns: 8 invocations side by side, 32 rows at a time. Moments
// join as in channel_moments_rows.wgsl. The prelude gives the loads of x and the output.

struct Params { rows: u32, columns: u32, share: u32, strips: u32, x_offset: u32 }

const WIDTH = 8u;
const HEIGHT = 32u;

struct Four { count: f32, mean: vec4<f32>, squares: vec4<f32> }

var<workgroup> scratch: array<Four, 256>;

fn both(a: Four, b: Four) -> Four {
  if (b.count == 0.0) { return a; }
  if (a.count == 0.0) { return b; }
  let count = a.count + b.count;
  let part = b.count / count;
  let apart = b.mean - a.mean;
  return Four(
    count, a.mean + apart * part, a.squares + b.squares + apart * apart * (a.count * part));
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.strips) { return; }
  let x = local % WIDTH;
  let y = local / WIDTH;
  let strip = number * 4u * WIDTH;
  let side_by_side = vec4<u32>(strip + 4u * x) + vec4<u32>(0u, 1u, 2u, 3u);
  let spread = vec4<u32>(strip + x) + WIDTH * vec4<u32>(0u, 1u, 2u, 3u);
  let columns = select(spread, side_by_side, VECTORS);
  let inside = min(columns, vec4<u32>(params.columns - 1u));

  var mine = Four(0.0, vec4<f32>(0.0), vec4<f32>(0.0));
  let start = group.z * params.share;
  let end = min(start + params.share, params.rows);
  for (var r = start + y; r < end; r += HEIGHT) {
    let v = four_x(params.x_offset + r * params.columns, inside);
    mine = both(mine, Four(1.0, v, vec4<f32>(0.0)));
  }
  scratch[local] = mine;
  workgroupBarrier();
  for (var reach = HEIGHT / 2u; reach > 0u; reach /= 2u) {
    if (y < reach) { scratch[local] = both(scratch[local], scratch[local + reach * WIDTH]); }
    workgroupBarrier();
  }
  if (y == 0u) {
    let all = scratch[local];
    for (var j = 0u; j < 4u; j++) {
      if (columns[j] < params.columns) {
        let at = 2u * (group.z * params.columns + columns[j]);
        moments[at] = all.mean[j];
        moments[at + 1u] = all.squares[j];
      }
    }
  }
}
