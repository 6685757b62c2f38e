// The norm from its partial results, the factor that clips to it, and whether all elements are
// finite. Before a norm of powers, the control is that of the largest element.

@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> control: array<f32, 4>;  // scale, finite, norm, 0
struct Params { count: u32, order: f32, most: f32, eps: f32 }
@group(0) @binding(2) var<uniform> params: Params;

// One step of Newton's method, as WGSL's sqrt may be off by several units in the last place.
fn exact_sqrt(x: f32) -> f32 {
    let root = sqrt(x);
    if (root == 0.0 || !is_finite(root)) {
        return root;
    }
    return root + fma(-root, root, x) / (2.0 * root);
}

// A norm as a product, whose factors stay finite where it overflows.
struct Norm { root: f32, up: f32, finite: bool }

fn norm(sums: vec4<f32>) -> Norm {
    if (LARGEST) {
        let is_big = sums.w > UP;
        let finite = is_finite(sums.w);
        return Norm(sums.w * select(1.0, DOWN, is_big), select(1.0, UP, is_big), finite);
    }
    if (POWERS) {
        let largest = control[2];
        let root = select(pow(sums.x, 1.0 / params.order), sums.x, params.order == 1.0);
        if (!is_finite(largest)) {
            return Norm(largest, 1.0, false);
        }
        return Norm(root, power_of_two(largest), true);
    }
    if (!(is_finite(sums.x) && is_finite(sums.y) && is_finite(sums.z))) {
        return Norm(sums.x + sums.y + sums.z, 1.0, false);
    }
    // Roots are scaled and squared again, as compilers may multiply two scales, which underflows.
    if (sums.y != 0.0) {
        let middle = exact_sqrt(sums.x) * DOWN;
        return Norm(exact_sqrt(sums.y + middle * middle), UP, true);
    }
    if (sums.x != 0.0) {
        let small = exact_sqrt(sums.z) * DOWN;
        return Norm(exact_sqrt(sums.x + small * small), 1.0, true);
    }
    return Norm(exact_sqrt(sums.z) * DOWN, 1.0, true);
}

fn part(i: u32) -> vec4<f32> {
    return select(vec4<f32>(), partials[min(i, params.count - 1u)], i < params.count);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    var mine = vec4<f32>();
    for (var i = thread; i < params.count; i += 1024u) {
        let four = join(join(part(i), part(i + 256u)), join(part(i + 512u), part(i + 768u)));
        mine = join(mine, four);
    }
    let sums = join_workgroup(mine, thread);
    if (thread == 0u) {
        let n = norm(sums);
        let factor = (params.most / n.up) / (n.root + params.eps / n.up);
        control[0] = select(1.0, min(1.0, factor), n.finite);
        control[1] = select(0.0, 1.0, n.finite);
        control[2] = n.root * n.up;
        control[3] = 0.0;
    }
}
