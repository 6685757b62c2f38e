// Whether a step is left out, and how many were: `control` is that of a norm over its gradients.

@group(0) @binding(0) var<storage, read> control: array<f32, 4>;
@group(0) @binding(1) var<storage, read_write> skip: array<f32, 4>;  // scale, finite, skipped, 0

@compute @workgroup_size(1)
fn main() {
    skip[0] = control[0];
    skip[1] = control[1];
    skip[2] += 1.0 - control[1];
}
