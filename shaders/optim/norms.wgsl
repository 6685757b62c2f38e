// Two norms over the threads of a workgroup. A square overflows long before its root does, so big
// elements are summed by themselves, scaled by 2^-90 (Blue, 1978).

const BIG_BITS = vec4<u32>(0x58800000u);    // of 2^50
const UP: f32 = 1.2379400392853803e27;      // 2^90
const DOWN: f32 = 8.077935669463161e-28;    // 2^-90

// By bits, as compilers take a comparison with NaN for either.
fn is_big(x: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) >= BIG_BITS;
}

// Sums of squares: of what is not big, and of what is, infinity and NaN among it.
struct Squares { middle: mat2x4<f32>, big: mat2x4<f32> }

var<workgroup> shared_squares: array<vec4<f32>, 256>;

fn add_squares(s: ptr<function, Squares>, x: vec4<f32>, y: vec4<f32>) {
    let is_big_x = is_big(x);
    let is_big_y = is_big(y);
    (*s).middle += mat2x4<f32>(
        select(x * x, vec4<f32>(), is_big_x), select(y * y, vec4<f32>(), is_big_y)
    );
    if (any(is_big_x | is_big_y)) {
        let a = select(vec4<f32>(), x * DOWN, is_big_x);
        let b = select(vec4<f32>(), y * DOWN, is_big_y);
        (*s).big += mat2x4<f32>(a * a, b * b);
    }
}

fn norm_of(middle: f32, big: f32) -> f32 {
    if (bitcast<u32>(big) != 0u) {
        // A root is scaled and squared, as compilers may multiply two scales, which underflows.
        let root = sqrt(middle) * DOWN;
        return UP * sqrt(big + root * root);
    }
    return sqrt(middle);
}

fn norms_of_workgroup(s: Squares, thread: u32) -> vec2<f32> {
    let ones = vec4<f32>(1.0);
    workgroupBarrier();
    shared_squares[thread] = vec4<f32>(
        dot(s.middle[0], ones), dot(s.middle[1], ones), dot(s.big[0], ones), dot(s.big[1], ones)
    );
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            shared_squares[thread] += shared_squares[thread + half];
        }
    }
    workgroupBarrier();
    let sums = shared_squares[0];
    return vec2<f32>(norm_of(sums.x, sums.z), norm_of(sums.y, sums.w));
}
