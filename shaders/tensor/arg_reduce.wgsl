// Position of the first extreme of each row, LANES invocations a row; rows = outer * inner:
//   output[split * rows + o * inner + i] =
//     argmax over r of input[offset + o * outer_step + i * inner_step + r * step]
// where split is a part of `share` values of r. A second stage, whose places are those that the
// parts found, then chooses among them.
//
// Values become unsigned keys in the same order, NaN above all, so that one comparison decides.
// LARGEST chooses between argmax and argmin. The prelude gives T, `load_input_element(e)`,
// `key(v)`, and `place(i, row)`: the value of r that is looked at as number i.

struct Params {
  rows: u32, inner: u32, length: u32, share: u32,
  outer_step: u32, inner_step: u32, step: u32, offset: u32,
}

var<workgroup> keys: array<u32, 256>;
var<workgroup> places: array<u32, 256>;

fn key_f32(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  let size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) { return 0xffffffffu; }
  let ordered = select(size | 0x80000000u, 0x80000000u - size, bits > 0x80000000u);
  return select(~ordered, ordered, LARGEST);
}

fn key_i32(value: i32) -> u32 {
  let ordered = bitcast<u32>(value) ^ 0x80000000u;
  return select(~ordered, ordered, LARGEST);
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
  let base = params.offset
    + row / params.inner * params.outer_step + row % params.inner * params.inner_step;

  var best = 0u;
  var found = 0xffffffffu;
  for (var i = start + lane; i < end; i += LANES) {
    let r = place(i, row);
    let rank = key(load_input_element(base + r * params.step));
    if (rank > best || found == 0xffffffffu) {
      best = rank;
      found = r;
    }
  }
  keys[local] = best;
  places[local] = found;
  workgroupBarrier();
  for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
    if (lane < reach) {
      let other = local + reach;
      let better = keys[other] > keys[local]
        || (keys[other] == keys[local] && places[other] < places[local]);
      if (better) {
        keys[local] = keys[other];
        places[local] = places[other];
      }
    }
    workgroupBarrier();
  }
  if (inside && lane == 0u) { output[group.z * params.rows + row] = i32(places[local]); }
}
