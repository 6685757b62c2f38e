// Whether a step is left out, and how many were. `measured` is the control of a norm over its
// gradients; `scale` is what they are to be multiplied by.

@group(0) @binding(0) var<storage, read> scale: array<f32>;
@group(0) @binding(1) var<storage, read> measured: array<f32, 4>;
@group(0) @binding(2) var<storage, read_write> skip: array<f32, 4>;  // scale, finite, skipped, 0

@compute @workgroup_size(1)
fn main() {
    skip[0] = scale[0];
    skip[1] = measured[1];
    skip[2] += 1.0 - measured[1];
}
