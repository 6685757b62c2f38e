// Reports the first of the elements that must be true and are not: its position.

struct Params { size: u32, offset: u32, code: u32 }

@group(0) @binding(1) var<storage, read_write> fault: array<atomic<u32>, 4>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.size; i += groups.x * 256u) {
    if (load_mask_element(params.offset + i) == 0) {
      if (atomicCompareExchangeWeak(&fault[0], 0u, params.code).exchanged) {
        atomicStore(&fault[1], i);
      }
    }
  }
}
