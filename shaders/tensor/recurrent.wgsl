// One step of a recurrent layer, from the state before it (from) to the one after it (to). Of each
// gate, `inputs` holds what the layer's input adds; what the hidden state adds is multiplied here, see
// recurrent_product.wgsl. `idle(row)` says whether a sequence has ended.
//
//   LSTM   i, f, o = sigmoid, g = tanh;  c' = f c + i g,  h' = o tanh(c')         keeps i, f, g, o
//   GRU    r, z = sigmoid, n = tanh(x + r u);  h' = (1 - z) n + z h               keeps r, z, n, u
//   else   h' = tanh or ReLU                                                      keeps nothing
//
// The prelude binds weight (0) and states (2), whose vectors and elements it reads and writes.

struct Params {
  batch: u32, hidden: u32, time: u32, state: u32, from_offset: u32, to_offset: u32,
  inputs_offset: u32, kept_offset: u32, weight_offset: u32, bias_offset: u32, lengths_offset: u32,
}

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(3) var<storage, read_write> kept: array<f32>;

const GATES = select(select(1u, 3u, GRU), 4u, LSTM);
const UNITS = select(TILE, TILE / 4u, LSTM || GRU);  // hidden units of a tile: its columns are gates

var<private> first_row: u32;
var<private> first_unit: u32;

fn vectors_of_k() -> u32 { return (params.hidden + 3u) / 4u; }

fn row_vector(line: u32, k: u32) -> vec4<f32> {
  let row = first_row + line;
  if (row >= params.batch || k >= vectors_of_k()) { return vec4<f32>(0.0); }
  return state_vector(params.from_offset + row * params.hidden, k);
}

fn column_vector(line: u32, k: u32) -> vec4<f32> {
  let unit = first_unit + line % UNITS;
  if (unit >= params.hidden || line / UNITS >= GATES || k >= vectors_of_k()) {
    return vec4<f32>(0.0);
  }
  return weight_vector(params.weight_offset + (line / UNITS * params.hidden + unit) * params.hidden, k);
}

fn keep(row: u32, unit: u32, values: vec4<f32>) {
  let at = params.kept_offset + 4u * row * params.hidden + unit;
  kept[at] = values.x;
  kept[at + params.hidden] = values.y;
  kept[at + 2u * params.hidden] = values.z;
  kept[at + 3u * params.hidden] = values.w;
}

fn tanh_of(a: f32) -> f32 { return tanh_safe(vec4<f32>(a)).x; }

fn advance(line: u32, column: u32) {
  let row = first_row + line;
  let unit = first_unit + column;
  if (row >= params.batch || unit >= params.hidden) { return; }
  let before = params.from_offset + row * params.hidden + unit;
  let after = params.to_offset + row * params.hidden + unit;
  if (idle(row)) {
    set_state(after, state(before));
    if (LSTM) { set_state(params.state + after, state(params.state + before)); }
    return;
  }
  var added = vec4<f32>(0.0);
  var held = vec4<f32>(0.0);
  for (var gate = 0u; gate < GATES; gate++) {
    added[gate] = inputs[params.inputs_offset + (row * GATES + gate) * params.hidden + unit];
    held[gate] = total(line, gate * UNITS + column) + bias_of(gate * params.hidden + unit);
  }
  let all = added + held;
  if (LSTM) {
    let open = sigmoid(all);
    let g = tanh_of(all.z);
    let c = open.y * state(params.state + before) + open.x * g;
    set_state(params.state + after, c);
    set_state(after, open.w * tanh_of(c));
    keep(row, unit, vec4<f32>(open.x, open.y, g, open.w));
  } else if (GRU) {
    let open = sigmoid(all);
    let n = tanh_of(added.z + open.x * held.z);
    set_state(after, (1.0 - open.y) * n + open.y * state(before));
    keep(row, unit, vec4<f32>(open.x, open.y, n, held.z));
  } else if (RELU) {
    set_state(after, relu_f32(all).x);
  } else {
    set_state(after, tanh_of(all.x));
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  first_row = group.y * TILE;
  first_unit = group.x * UNITS;
  multiply(local);
  for (var item = local; item < TILE * UNITS; item += 256u) { advance(item / UNITS, item % UNITS); }
}
