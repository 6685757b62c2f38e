// Position of the first extreme of each row, LANES invocations a row; rows = outer * inner:
//   output[o * inner + i] = argmax over r of input[offset + o * outer_step + i * inner_step + r * step]
//
// Values become unsigned keys in the same order, NaN above all, so that one comparison decides.
// LARGEST chooses between argmax and argmin. The prelude gives T, `load_input_element(e)` and `key(v)`.

struct Params {
  rows: u32, inner: u32, length: u32,
  outer_step: u32, inner_step: u32, step: u32, offset: u32,
}

@group(0) @binding(1) var<storage, read_write> output: array<i32>;
@group(0) @binding(2) var<uniform> params: Params;

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
  let end = select(0u, params.length, inside);
  let base = params.offset
    + row / params.inner * params.outer_step + row % params.inner * params.inner_step;

  var best = 0u;
  var place = 0xffffffffu;
  for (var r = lane; r < end; r += LANES) {
    let key = key(load_input_element(base + r * params.step));
    if (key > best || place == 0xffffffffu) {
      best = key;
      place = r;
    }
  }
  keys[local] = best;
  places[local] = place;
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
  if (inside && lane == 0u) { output[row] = i32(places[local]); }
}
