// One partial result of a norm for each workgroup; `add` of the norm's kind takes four magnitudes.
//
// Sums of sixteen go into a compensated sum (Kahan), which keeps the error of a thread's share near
// one rounding.
// `Word` is vec4<f32>, or vec2<u32> for four float16.

@group(0) @binding(0) var<storage, read> grads: array<Word>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec4<f32>>;
struct Params { first: u32, count: u32, place: u32, order: f32 }

struct Sums { middle: vec4<f32>, big: vec4<f32>, small: vec4<f32>, largest: vec4<u32> }

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
