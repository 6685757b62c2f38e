// The norm from its partial results, the factor that clips to it, and whether all elements are
// finite. Before a norm of powers, the control is that of the largest element.

@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> control: array<f32, 4>;  // scale, finite, norm, 0
struct Params { count: u32, order: f32, fraction: f32, exponent: i32, eps: f32 }
// The norm to clip to is the fraction, in [1, 2], times 2 to the exponent.
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

// A positive number's exponent, and what it is times.
fn exponent_of(x: f32) -> i32 {
    return i32(bitcast<u32>(x) >> 23u) - 127;
}

fn fraction_of(x: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) & 0x007fffffu) | 0x3f800000u);
}

// min(1, most / (norm + eps)). Fractions are divided, and exponents subtracted as integers: drivers
// multiply by the reciprocal of a divisor, and of two divisors' product, which may be subnormal.
fn clip_factor(n: Norm) -> f32 {
    let whole = n.root + params.eps / n.up;
    let quotient = params.fraction / fraction_of(whole);
    let shift = params.exponent - exponent_of(whole) - exponent_of(n.up);
    let field = exponent_of(quotient) + shift + 127;
    let normal = (bitcast<u32>(quotient) & 0x007fffffu) | (u32(clamp(field, 1, 127)) << 23u);
    let below = u32(clamp(field, -125, 1) + 126) << 23u;
    return min(1.0, bitcast<f32>(normal) * bitcast<f32>(below));
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
        control[0] = select(1.0, clip_factor(n), n.finite);
        control[1] = select(0.0, 1.0, n.finite);
        control[2] = n.root * n.up;
        control[3] = 0.0;
    }
}
