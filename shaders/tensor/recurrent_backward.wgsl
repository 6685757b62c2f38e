// Backward of one step of recurrent.wgsl. The gradient of the state after the step is the sum of
// `grad`, which is asked for, of what the step behind it (at `behind` in `sent`) sent through the
// weight, see recurrent_product.wgsl, and of `carry`, which went past the weight; carry's second half
// is the gradient of the cell. Written are the gradients of what the input adds to each gate (`sent`,
// a GRU's `into_inputs`) and of what the state adds (`sent`).
//
// The prelude binds the turned weight (0) and sent (1), whose vectors and elements it reads and writes.

struct Params {
  batch: u32, hidden: u32, time: u32, state: u32, from_offset: u32, to_offset: u32,
  grad_state: u32, grad_offset: u32, into_offset: u32, behind: u32, behind_vectors: u32,
  kept_offset: u32, lengths_offset: u32,
}

@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read> kept: array<f32>;
@group(0) @binding(4) var<storage, read> states: array<f32>;
@group(0) @binding(5) var<storage, read_write> carry: array<f32>;
@group(0) @binding(6) var<storage, read_write> into_inputs: array<f32>;

const GATES = select(select(1u, 3u, GRU), 4u, LSTM);

var<private> first_row: u32;
var<private> first_unit: u32;

fn vectors_of_k() -> u32 { return params.behind_vectors; }

fn row_vector(line: u32, k: u32) -> vec4<f32> {
  let row = first_row + line;
  if (row >= params.batch || k >= params.behind_vectors) { return vec4<f32>(0.0); }
  return sent_vector(params.behind + row * GATES * params.hidden, k);
}

fn column_vector(line: u32, k: u32) -> vec4<f32> {
  let unit = first_unit + line;
  if (unit >= params.hidden || k >= params.behind_vectors) { return vec4<f32>(0.0); }
  return weight_vector(unit * GATES * params.hidden, k);
}

fn gates_of(row: u32, unit: u32) -> vec4<f32> {
  let at = params.kept_offset + 4u * row * params.hidden + unit;
  return vec4<f32>(
    kept[at], kept[at + params.hidden], kept[at + 2u * params.hidden], kept[at + 3u * params.hidden]
  );
}

fn send(at: u32, gate: u32, value: f32, inner: f32) {
  set_sent(at + gate * params.hidden, inner);
  if (GRU) { into_inputs[at + gate * params.hidden] = value; }
}

fn go_back(line: u32, column: u32) {
  let row = first_row + line;
  let unit = first_unit + column;
  if (row >= params.batch || unit >= params.hidden) { return; }
  let size = params.batch * params.hidden;
  let e = row * params.hidden + unit;
  let into = params.into_offset + row * GATES * params.hidden + unit;
  let dh = grad[params.grad_offset + e] + total(line, column) + carry[e];
  var dc = 0.0;
  if (LSTM) { dc = carry[size + e] + grad[params.grad_state + params.grad_offset + e]; }
  if (idle(row)) {
    carry[e] = dh;
    if (LSTM) { carry[size + e] = dc; }
    for (var gate = 0u; gate < GATES; gate++) { send(into, gate, 0.0, 0.0); }
    return;
  }
  if (LSTM) {
    let gates = gates_of(row, unit);
    let slope = gates * (1.0 - gates);
    let c = tanh_safe(vec4<f32>(states[params.state + params.to_offset + e])).x;
    dc += dh * gates.w * (1.0 - c * c);
    let di = dc * gates.z * slope.x;
    let df = dc * states[params.state + params.from_offset + e] * slope.y;
    let dg = dc * gates.x * (1.0 - gates.z * gates.z);
    let d_o = dh * c * slope.w;
    send(into, 0u, di, di);
    send(into, 1u, df, df);
    send(into, 2u, dg, dg);
    send(into, 3u, d_o, d_o);
    carry[e] = 0.0;
    carry[size + e] = dc * gates.y;
  } else if (GRU) {
    let gates = gates_of(row, unit);
    let slope = gates * (1.0 - gates);
    let dn = dh * (1.0 - gates.y) * (1.0 - gates.z * gates.z);
    let dr = dn * gates.w * slope.x;
    let dz = dh * (states[params.from_offset + e] - gates.z) * slope.y;
    send(into, 0u, dr, dr);
    send(into, 1u, dz, dz);
    send(into, 2u, dn, dn * gates.x);
    carry[e] = dh * gates.y;
  } else {
    let h = states[params.to_offset + e];
    let d = dh * select(1.0 - h * h, select(1.0, 0.0, h <= 0.0), RELU);
    send(into, 0u, d, d);
    carry[e] = 0.0;
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  first_row = group.y * TILE;
  first_unit = group.x * TILE;
  multiply(local);
  for (var item = local; item < TILE * TILE; item += 256u) { go_back(item / TILE, item % TILE); }
}
