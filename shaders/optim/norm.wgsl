// One partial result of a norm for each workgroup: sums of powers, or the largest magnitude.
//
// A square overflows or underflows long before its root does, so elements are summed in three
// classes, big and small ones scaled by 2^-90 and 2^90 (Blue, 1978). Sums of sixteen go into a
// compensated sum (Kahan), which keeps the error of a thread's share near one rounding.
// `Word` is vec4<f32>, or vec2<u32> for four float16.

@group(0) @binding(0) var<storage, read> grads: array<Word>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec4<f32>>;
struct Params { first: u32, count: u32, place: u32, order: f32 }
@group(0) @binding(2) var<uniform> params: Params;

const UP: f32 = 1.2379400392853803e27;      // 2^90
const DOWN: f32 = 8.077935669463161e-28;    // 2^-90
const BIG: f32 = 1.125899906842624e15;      // 2^50
const SMALL: f32 = 8.881784197001252e-16;   // 2^-50

struct Sums { middle: vec4<f32>, big: vec4<f32>, small: vec4<f32>, largest: vec4<u32> }

fn add(s: ptr<function, Sums>, a: vec4<f32>) {
    if (LARGEST) {
        // The bits of floats that are not negative are in their order, with NaN above infinity.
        (*s).largest = max((*s).largest, bitcast<vec4<u32>>(a));
    } else if (!SQUARES) {
        (*s).middle += select(pow(a, vec4<f32>(params.order)), a, params.order == 1.0);
    } else if (all((a == vec4<f32>()) | ((a >= vec4<f32>(SMALL)) & (a < vec4<f32>(BIG))))) {
        (*s).middle += a * a;
    } else {
        let is_big = a >= vec4<f32>(BIG);
        let is_small = a < vec4<f32>(SMALL);
        let down = select(vec4<f32>(), a * DOWN, is_big);
        let up = select(vec4<f32>(), a * UP, is_small);
        (*s).big += down * down;
        (*s).small += up * up;
        (*s).middle += select(a * a, vec4<f32>(), is_big | is_small);
    }
}

fn magnitudes(i: u32) -> vec4<f32> {
    let left = params.count - 4u * i;
    let inside = vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(left);
    return select(vec4<f32>(), abs(unpack(grads[params.first + i])), inside);
}

fn sum4(x: vec4<f32>) -> f32 {
    return (x.x + x.y) + (x.z + x.w);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>,
        @builtin(local_invocation_index) thread: u32,
        @builtin(num_workgroups) groups: vec3<u32>) {
    let end = (params.count + 3u) / 4u;
    let stride = groups.x * 256u;
    var total = vec4<f32>();
    var lost = vec4<f32>();
    var s = Sums();
    var i = group.x * 256u + thread;
    while (i < end) {
        s.middle = vec4<f32>();
        for (var k = 0u; k < 16u && i < end; k++) {
            add(&s, magnitudes(i));
            i += stride;
        }
        let term = s.middle - lost;
        let sum = total + term;
        lost = (sum - total) - term;
        total = sum;
    }
    let most = max(max(s.largest.x, s.largest.y), max(s.largest.z, s.largest.w));
    let mine = vec4<f32>(sum4(total), sum4(s.big), sum4(s.small), bitcast<f32>(most));
    let all_threads = join_workgroup(mine, thread);
    if (thread == 0u) {
        partials[params.place + group.x] = all_threads;
    }
}
