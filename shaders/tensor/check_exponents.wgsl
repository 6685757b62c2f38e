// Reports an exponent of integers that is negative as a fault: its position, and itself.

struct Params { size: u32, offset: u32 }

@group(0) @binding(0) var<storage, read> exponents: array<i32>;
@group(0) @binding(1) var<storage, read_write> fault: array<atomic<u32>, 4>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < params.size; i += groups.x * 256u) {
    let exponent = exponents[params.offset + i];
    // Not joined by &&: the compiler of wgpu 0.29 exchanges then in any case.
    if (exponent < 0) {
      if (atomicCompareExchangeWeak(&fault[0], 0u, FAULT).exchanged) {
        atomicStore(&fault[1], i);
        atomicStore(&fault[2], bitcast<u32>(exponent));
      }
    }
  }
}
