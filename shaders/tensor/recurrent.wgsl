// One step of a recurrent layer, from the state before it (from) to the one after it (to). Of each
// gate, `inputs` holds what the layer's input adds; what the hidden state adds is multiplied here, see
// recurrent_product.wgsl. `idle(row)` says whether a sequence has ended.
//
//   LSTM   i, f, o = sigmoid, g = tanh;  c' = f c + i g,  h' = o tanh(c')         keeps i, f, g, o
//   GRU    r, z = sigmoid, n = tanh(x + r u);  h' = (1 - z) n + z h               keeps r, z, n, u
//   else   h' = tanh or ReLU                                                      keeps nothing

struct Params {
  batch: u32, hidden: u32, time: u32, state: u32, from_offset: u32, to_offset: u32,
  inputs_offset: u32, kept_offset: u32, line_rows: u32, vectors: u32,
  weight_vectors: u32, bias_offset: u32, lengths_offset: u32,
}

@group(0) @binding(0) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> lines: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> inputs: array<f32>;
@group(0) @binding(3) var<storage, read_write> states: array<f32>;
@group(0) @binding(4) var<storage, read_write> kept: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> next_lines: array<f32>;

const GATES = select(select(1u, 3u, GRU), 4u, LSTM);

struct Early { added: vec4<f32>, h: f32, c: f32 }

fn fetch_early(row: u32, unit: u32) -> Early {
  var early: Early;
  for (var gate = 0u; gate < GATES; gate++) {
    early.added[gate] = inputs[params.inputs_offset + (row * GATES + gate) * params.hidden + unit];
  }
  let before = params.from_offset + row * params.hidden + unit;
  early.h = states[before];
  if (LSTM) { early.c = states[params.state + before]; }
  return early;
}

fn tanh_of(a: f32) -> f32 { return tanh_safe(vec4<f32>(a)).x; }

fn finish(row: u32, unit: u32, early: Early, sum: Sum) {
  let after = params.to_offset + row * params.hidden + unit;
  var held = vec4<f32>(sum);
  for (var gate = 0u; gate < GATES; gate++) { held[gate] += bias_of(gate * params.hidden + unit); }
  let all = early.added + held;
  var h = early.h;
  if (idle(row)) {
    if (LSTM) { states[params.state + after] = early.c; }
  } else if (LSTM) {
    let open = sigmoid(all);
    let g = tanh_of(all.z);
    let c = open.y * early.c + open.x * g;
    h = open.w * tanh_of(c);
    states[params.state + after] = c;
    kept[params.kept_offset + row * params.hidden + unit] = vec4<f32>(open.xy, g, open.w);
  } else if (GRU) {
    let open = sigmoid(all);
    let n = tanh_of(early.added.z + open.x * held.z);
    h = (1.0 - open.y) * n + open.y * early.h;
    kept[params.kept_offset + row * params.hidden + unit] = vec4<f32>(open.xy, n, held.z);
  } else if (RELU) {
    h = relu_f32(all).x;
  } else {
    h = tanh_of(all.x);
  }
  states[after] = h;
  next_lines[packed_place(row, unit)] = h;
}
