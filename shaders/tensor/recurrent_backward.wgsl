// Backward of one step of recurrent.wgsl. The gradient of the state after the step is the sum of
// `grad`, which is asked for, `product`, which the step behind it sent through the weight, and
// `carry`, which went past the weight; carry's second half is the gradient of the cell.
// Written are the gradients of what the input adds to each gate, and, of a GRU, of what the state adds.

struct Params {
  batch: u32, hidden: u32, time: u32, state: u32, from_offset: u32, to_offset: u32,
  grad_state: u32, grad_offset: u32, into_offset: u32, kept_offset: u32, lengths_offset: u32,
}

@group(0) @binding(0) var<storage, read> grad: array<f32>;
@group(0) @binding(1) var<storage, read> product: array<f32>;
@group(0) @binding(2) var<storage, read> kept: array<f32>;
@group(0) @binding(3) var<storage, read> states: array<f32>;
@group(0) @binding(4) var<storage, read_write> carry: array<f32>;
@group(0) @binding(5) var<storage, read_write> into_inputs: array<f32>;
@group(0) @binding(6) var<storage, read_write> into_sums: array<f32>;

const GATES = select(select(1u, 3u, GRU), 4u, LSTM);

fn gates_of(row: u32, column: u32) -> vec4<f32> {
  let at = params.kept_offset + 4u * row * params.hidden + column;
  return vec4<f32>(
    kept[at], kept[at + params.hidden], kept[at + 2u * params.hidden], kept[at + 3u * params.hidden]
  );
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let e = (group.y * groups.x + group.x) * 256u + local;
  let size = params.batch * params.hidden;
  if (e >= size) { return; }
  let row = e / params.hidden;
  let column = e % params.hidden;
  let into = params.into_offset + row * GATES * params.hidden + column;
  let dh = grad[params.grad_offset + e] + product[e] + carry[e];
  var dc = 0.0;
  if (LSTM) { dc = carry[size + e] + grad[params.grad_state + params.grad_offset + e]; }
  if (idle(row)) {
    carry[e] = dh;
    if (LSTM) { carry[size + e] = dc; }
    for (var gate = 0u; gate < GATES; gate++) {
      into_inputs[into + gate * params.hidden] = 0.0;
      if (GRU) { into_sums[into + gate * params.hidden] = 0.0; }
    }
    return;
  }
  if (LSTM) {
    let gates = gates_of(row, column);
    let c = tanh_safe(vec4<f32>(states[params.state + params.to_offset + e])).x;
    dc += dh * gates.w * (1.0 - c * c);
    let slope = gates * (1.0 - gates);
    into_inputs[into] = dc * gates.z * slope.x;
    into_inputs[into + params.hidden] = dc * states[params.state + params.from_offset + e] * slope.y;
    into_inputs[into + 2u * params.hidden] = dc * gates.x * (1.0 - gates.z * gates.z);
    into_inputs[into + 3u * params.hidden] = dh * c * slope.w;
    carry[e] = 0.0;
    carry[size + e] = dc * gates.y;
  } else if (GRU) {
    let gates = gates_of(row, column);
    let slope = gates * (1.0 - gates);
    let dn = dh * (1.0 - gates.y) * (1.0 - gates.z * gates.z);
    let dr = dn * gates.w * slope.x;
    let dz = dh * (states[params.from_offset + e] - gates.z) * slope.y;
    into_inputs[into] = dr;
    into_sums[into] = dr;
    into_inputs[into + params.hidden] = dz;
    into_sums[into + params.hidden] = dz;
    into_inputs[into + 2u * params.hidden] = dn;
    into_sums[into + 2u * params.hidden] = dn * gates.x;
    carry[e] = dh * gates.y;
  } else {
    let h = states[params.to_offset + e];
    let slope = select(1.0 - h * h, select(1.0, 0.0, h <= 0.0), RELU);
    into_inputs[into] = dh * slope;
    carry[e] = 0.0;
  }
}
