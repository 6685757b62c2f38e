// A matrix for the products of recurrent layers: packed[tile][k / 4][line] = 4 neighbours along k.
// Lines of a tile stand in the order in which recurrent_product.wgsl takes them: TX invocations side
// by side, each with cells of 4. With GATED_LINES a cell is the gates of a unit, so that line = gate *
// hidden + unit of the source; with GATED_K the 4 neighbours are. What is not there is 0.

struct Params {
  size: u32, lines: u32, vectors: u32, count: u32, length: u32, hidden: u32,
  offset: u32, line_step: u32, k_step: u32,
}

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

fn element(line: u32, gate: u32, k: u32) -> f32 {
  let there = line < params.count && k < params.length && gate < GATES;
  var at = min(line, params.count - 1u) * params.line_step + min(k, params.length - 1u) * params.k_step;
  at += min(gate, GATES - 1u) * params.hidden * select(params.line_step, params.k_step, GATED_K);
  return select(0.0, source[params.offset + at], there);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.size; i += groups.x * 256u) {
    let place = i % params.lines;
    let k = i / params.lines % params.vectors;
    let tile = i / params.lines / params.vectors;
    let j = place / TX;
    let cell = j / 4u * TX + place % TX;
    var line = tile * params.lines + 4u * cell + j % 4u;
    if (GATED_LINES) { line = tile * (params.lines / 4u) + cell; }
    let gate = select(0u, j % 4u, GATED_LINES);
    if (GATED_K) {
      packed[i] = vec4<f32>(
        element(line, 0u, k), element(line, 1u, k), element(line, 2u, k), element(line, 3u, k));
    } else {
      packed[i] = vec4<f32>(
        element(line, gate, 4u * k), element(line, gate, 4u * k + 1u),
        element(line, gate, 4u * k + 2u), element(line, gate, 4u * k + 3u));
    }
  }
}
