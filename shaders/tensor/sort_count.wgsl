// How often each digit occurs among the keys of each block of each row, the first step of a pass:
//   table[(row * DIGITS + digit) * blocks + block]
// The prelude gives `fetch(e)` and `key(bits)`, as in sort_rows.wgsl.

struct Params { rows: u32, length: u32, offset: u32, blocks: u32, share: u32, shift: u32 }

@group(0) @binding(1) var<storage, read_write> table: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> counts: array<atomic<u32>, DIGITS>;

fn count(bits: u32) { atomicAdd(&counts[(key(bits) >> params.shift) % DIGITS], 1u); }

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.rows * params.blocks) { return; }
  let row = number / params.blocks;
  let block = number % params.blocks;
  if (local < DIGITS) { atomicStore(&counts[local], 0u); }
  workgroupBarrier();

  let base = params.offset + row * params.length;
  let end = base + min((block + 1u) * params.share, params.length);
  var e = base + block * params.share + local;
  for (; e + 7u * 256u < end; e += 8u * 256u) {
    let a = vec4<u32>(fetch(e), fetch(e + 256u), fetch(e + 512u), fetch(e + 768u));
    let b = vec4<u32>(fetch(e + 1024u), fetch(e + 1280u), fetch(e + 1536u), fetch(e + 1792u));
    count(a.x);
    count(a.y);
    count(a.z);
    count(a.w);
    count(b.x);
    count(b.y);
    count(b.z);
    count(b.w);
  }
  for (; e < end; e += 256u) { count(fetch(e)); }
  workgroupBarrier();
  if (local < DIGITS) {
    table[(row * DIGITS + local) * params.blocks + block] = atomicLoad(&counts[local]);
  }
}
