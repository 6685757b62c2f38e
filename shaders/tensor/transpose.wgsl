// Transposing copy of 4-byte elements: output[b][r][c] = input[offset + b * batch_step + c * step + r].
//
// A workgroup turns a 32 x 32 square through workgroup memory, so that it reads along r and writes
// along c. The 33rd column keeps the reads of a column in different banks.

struct Params {
  rows: u32, columns: u32,   // of the output
  down: u32, across: u32,    // squares
  batch: u32, batch_step: u32, step: u32, offset: u32,
}

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

const TILE = 32u;
const LINES = 8u;  // that 256 invocations move at a time

var<workgroup> square: array<array<u32, 33>, 32>;

@compute @workgroup_size(32, 8)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
) {
  let number = group.y * groups.x + group.x;
  let squares = params.down * params.across;
  if (number >= squares * params.batch) { return; }
  let b = number / squares;
  let row0 = (number % squares) / params.across * TILE;
  let column0 = number % params.across * TILE;

  for (var line = local.y; line < TILE; line += LINES) {
    let r = row0 + local.x;
    let c = column0 + line;
    if (r < params.rows && c < params.columns) {
      square[line][local.x] = input[params.offset + b * params.batch_step + c * params.step + r];
    }
  }
  workgroupBarrier();
  for (var line = local.y; line < TILE; line += LINES) {
    let r = row0 + line;
    let c = column0 + local.x;
    if (r < params.rows && c < params.columns) {
      output[(b * params.rows + r) * params.columns + c] = square[local.x][line];
    }
  }
}
