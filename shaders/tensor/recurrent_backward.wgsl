// Backward of one step of recurrent.wgsl. The gradient of the state after the step is the sum of
// `grad`, which is asked for, of what the step behind it sent through the weight (packed in `lines`),
// see recurrent_product.wgsl, and of what was carried past the weight, at carry_at in `sent` (behind it
// the same of an LSTM's cell), nothing before the first step, which has no vectors. Written are the
// gradients of what the state adds to each gate (`sent`, and packed for the next step) and, of a GRU,
// of what the input adds, inputs_at further on.

struct Params {
  batch: u32, hidden: u32, time: u32, state: u32, from_offset: u32, to_offset: u32,
  grad_state: u32, grad_offset: u32, sent_offset: u32, inputs_at: u32, kept_offset: u32,
  carry_at: u32, line_rows: u32, vectors: u32, weight_vectors: u32, lengths_offset: u32,
}

@group(0) @binding(0) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> lines: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
@group(0) @binding(3) var<storage, read> kept: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> states: array<f32>;
@group(0) @binding(5) var<storage, read_write> sent: array<f32>;

const GATES = select(select(1u, 3u, GRU), 4u, LSTM);

struct Early { dh: f32, dc: f32, gates: vec4<f32>, before: f32, after: f32 }

fn fetch_early(row: u32, unit: u32) -> Early {
  let e = row * params.hidden + unit;
  var early: Early;
  let has_carry = params.vectors > 0u;
  early.dh = grad[params.grad_offset + e] + select(0.0, sent[params.carry_at + e], has_carry);
  if (LSTM) {
    let size = params.batch * params.hidden;
    early.dc = grad[params.grad_state + params.grad_offset + e];
    early.dc += select(0.0, sent[params.carry_at + size + e], has_carry);
  }
  if (LSTM || GRU) { early.gates = kept[params.kept_offset + e]; }
  let state = select(0u, params.state, LSTM);  // an LSTM's c
  early.before = states[state + params.from_offset + e];
  early.after = states[state + params.to_offset + e];
  return early;
}

// Gradients of what the state adds to the gates, and of what the input adds.
fn send(row: u32, unit: u32, inner: vec4<f32>, outer: vec4<f32>) {
  let at = params.sent_offset + row * GATES * params.hidden + unit;
  for (var gate = 0u; gate < GATES; gate++) {
    sent[at + gate * params.hidden] = inner[gate];
    if (GRU) { sent[params.inputs_at + at + gate * params.hidden] = outer[gate]; }
  }
  pack(row, unit, inner);
}

fn finish(row: u32, unit: u32, early: Early, sum: f32) {
  let e = row * params.hidden + unit;
  let dh = early.dh + sum;
  let gates = early.gates;
  let slope = gates * (1.0 - gates);
  var dc = early.dc;
  var past = 0.0;
  var inner = vec4<f32>(0.0);
  var outer = vec4<f32>(0.0);
  if (idle(row)) {
    past = dh;
  } else if (LSTM) {
    let c = tanh_safe(vec4<f32>(early.after)).x;
    dc += dh * gates.w * (1.0 - c * c);
    inner = vec4<f32>(
      dc * gates.z * slope.x, dc * early.before * slope.y,
      dc * gates.x * (1.0 - gates.z * gates.z), dh * c * slope.w);
    dc *= gates.y;
  } else if (GRU) {
    let dn = dh * (1.0 - gates.y) * (1.0 - gates.z * gates.z);
    outer = vec4<f32>(dn * gates.w * slope.x, dh * (early.before - gates.z) * slope.y, dn, 0.0);
    inner = vec4<f32>(outer.xy, dn * gates.x, 0.0);
    past = dh * gates.y;
  } else {
    let h = early.after;
    inner.x = dh * select(1.0 - h * h, select(1.0, 0.0, h <= 0.0), RELU);
  }
  sent[params.carry_at + e] = past;
  if (LSTM) { sent[params.carry_at + params.batch * params.hidden + e] = dc; }
  send(row, unit, inner, outer);
}
