// The second step of a pass, LANES invocations a line of the table: each count becomes the sum of
// those before it in its line, and totals[line] the sum of all.

struct Params { lines: u32, blocks: u32 }

@group(0) @binding(0) var<storage, read_write> table: array<u32>;
@group(0) @binding(1) var<storage, read_write> totals: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % LANES;
  let line = (group.y * groups.x + group.x) * (256u / LANES) + local / LANES;
  let inside = line < params.lines;
  let share = (params.blocks + LANES - 1u) / LANES;
  let base = line * params.blocks;
  let first = min(lane * share, params.blocks);
  let end = base + select(first, min(first + share, params.blocks), inside);

  var sum = 0u;
  for (var e = base + first; e < end; e += 1u) { sum += table[e]; }
  sums[local] = sum;
  workgroupBarrier();
  for (var reach = 1u; reach < LANES; reach *= 2u) {
    var before = 0u;
    if (lane >= reach) { before = sums[local - reach]; }
    workgroupBarrier();
    sums[local] += before;
    workgroupBarrier();
  }
  var before = sums[local] - sum;
  for (var e = base + first; e < end; e += 1u) {
    let count = table[e];
    table[e] = before;
    before += count;
  }
  if (inside && lane == LANES - 1u) { totals[line] = sums[local]; }
}
