// The norm from its partial results, and the factor that clips to it.

@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> control: array<f32, 4>;  // scale, finite, norm, 0
struct Params { count: u32, order: f32, most: f32, eps: f32 }
@group(0) @binding(2) var<uniform> params: Params;

const UP: f32 = 1.2379400392853803e27;      // 2^90
const DOWN: f32 = 8.077935669463161e-28;    // 2^-90

// One step of Newton's method, as WGSL's sqrt may be off by several units in the last place.
fn exact_sqrt(x: f32) -> f32 {
    let root = sqrt(x);
    if (root == 0.0 || !is_finite(root)) {
        return root;
    }
    return root + fma(-root, root, x) / (2.0 * root);
}

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

fn norm(sums: vec4<f32>) -> f32 {
    if (LARGEST) {
        return sums.w;
    }
    if (!SQUARES) {
        return select(pow(sums.x, 1.0 / params.order), sums.x, params.order == 1.0);
    }
    if (!is_finite(sums.x)) {
        return sums.x;
    }
    // Roots are scaled and squared again, as compilers may multiply two scales, which underflows.
    if (sums.y != 0.0) {
        let middle = exact_sqrt(sums.x) * DOWN;
        return exact_sqrt(sums.y + middle * middle) * UP;
    }
    if (sums.x != 0.0) {
        let small = exact_sqrt(sums.z) * DOWN;
        return exact_sqrt(sums.x + small * small);
    }
    return exact_sqrt(sums.z) * DOWN;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    var mine = vec4<f32>();
    for (var i = thread; i < params.count; i += 256u) {
        mine = join(mine, partials[i]);
    }
    let sums = join_workgroup(mine, thread);
    if (thread == 0u) {
        let n = norm(sums);
        let finite = is_finite(n);
        control[0] = select(1.0, min(1.0, params.most / (n + params.eps)), finite);
        control[1] = select(0.0, 1.0, finite);
        control[2] = n;
        control[3] = 0.0;
    }
}
