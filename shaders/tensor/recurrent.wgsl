// One step of a recurrent layer, from the state before it (from) to the one after it (to). Of each
// gate, `inputs` holds what the layer's input adds and `sums` what the hidden state adds. Put behind
// math.wgsl and exponential.wgsl; `idle(row)` says whether a sequence has ended.
//
//   LSTM   i, f, o = sigmoid, g = tanh;  c' = f c + i g,  h' = o tanh(c')         keeps i, f, g, o
//   GRU    r, z = sigmoid, n = tanh(x + r u);  h' = (1 - z) n + z h               keeps r, z, n, u
//   else   h' = tanh or ReLU                                                      keeps nothing

struct Params {
  batch: u32, hidden: u32, time: u32, state: u32, from_offset: u32, to_offset: u32,
  inputs_offset: u32, sums_offset: u32, kept_offset: u32, lengths_offset: u32,
}

@group(0) @binding(0) var<storage, read> inputs: array<f32>;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> states: array<f32>;
@group(0) @binding(3) var<storage, read_write> kept: array<f32>;

const GATES = select(select(1u, 3u, GRU), 4u, LSTM);

fn input(row: u32, gate: u32, column: u32) -> f32 {
  return inputs[params.inputs_offset + (row * GATES + gate) * params.hidden + column];
}

fn summed(row: u32, gate: u32, column: u32) -> f32 {
  return sums[params.sums_offset + (row * GATES + gate) * params.hidden + column];
}

fn keep(row: u32, column: u32, values: vec4<f32>) {
  let at = params.kept_offset + 4u * row * params.hidden + column;
  kept[at] = values.x;
  kept[at + params.hidden] = values.y;
  kept[at + 2u * params.hidden] = values.z;
  kept[at + 3u * params.hidden] = values.w;
}

fn tanh_of(a: f32) -> f32 { return tanh_safe(vec4<f32>(a)).x; }

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let e = (group.y * groups.x + group.x) * 256u + local;
  if (e >= params.batch * params.hidden) { return; }
  let row = e / params.hidden;
  let column = e % params.hidden;
  let before = params.from_offset + e;
  let after = params.to_offset + e;
  if (idle(row)) {
    states[after] = states[before];
    if (LSTM) { states[params.state + after] = states[params.state + before]; }
    return;
  }
  let first = input(row, 0u, column) + summed(row, 0u, column);
  if (LSTM) {
    let second = input(row, 1u, column) + summed(row, 1u, column);
    let last = input(row, 3u, column) + summed(row, 3u, column);
    let open = sigmoid(vec4<f32>(first, second, last, 0.0));
    let g = tanh_of(input(row, 2u, column) + summed(row, 2u, column));
    let c = open.y * states[params.state + before] + open.x * g;
    states[params.state + after] = c;
    states[after] = open.z * tanh_of(c);
    keep(row, column, vec4<f32>(open.x, open.y, g, open.z));
  } else if (GRU) {
    let second = input(row, 1u, column) + summed(row, 1u, column);
    let open = sigmoid(vec4<f32>(first, second, 0.0, 0.0));
    let u = summed(row, 2u, column);
    let n = tanh_of(input(row, 2u, column) + open.x * u);
    states[after] = (1.0 - open.y) * n + open.y * states[before];
    keep(row, column, vec4<f32>(open.x, open.y, n, u));
  } else if (RELU) {
    states[after] = relu_f32(vec4<f32>(first)).x;
  } else {
    states[after] = tanh_of(first);
  }
}
