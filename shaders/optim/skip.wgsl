// Whether a step is left out, and how many were, of all and of each slot that takes part.
// `measured` is the control of a norm over the step's gradients; `scale` is what they are to be
// multiplied by.

@group(0) @binding(0) var<storage, read> scale: array<f32>;
@group(0) @binding(1) var<storage, read> measured: array<f32, 4>;
// Scale, finite, skipped, 0, and then the skipped steps of each slot.
@group(0) @binding(2) var<storage, read_write> skip: array<f32>;
struct Params { first: u32, last: u32, counts: u32 }
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let lost = 1.0 - measured[1];
    let slot = params.first + id.x;
    if (slot < params.last) {
        skip[4u + slot] += lost;
    }
    if (id.x == 0u && params.counts == 1u) {
        skip[0] = scale[0];
        skip[1] = measured[1];
        skip[2] += lost;
    }
}
