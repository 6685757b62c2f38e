// One partial result of a norm for each block of gradients, a workgroup a block; `add` of the norm's
// kind takes four magnitudes.
//
// Blocks are of one size, so that a sum does not depend on how many workgroups there are, and short,
// so that plain sums lose little: compilers may fold a compensated one away.
// `Word` is vec4<f32>, or vec2<u32> for four float16.

const BLOCK = 4096u;    // vectors

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
    for (var start = group.x * BLOCK; start < end; start += groups.x * BLOCK) {
        var s = Sums();
        for (var i = start + thread; i < min(start + BLOCK, end); i += 256u) {
            add(&s, magnitudes(i));
        }
        let most = max(max(s.largest.x, s.largest.y), max(s.largest.z, s.largest.w));
        let mine = vec4<f32>(sum4(s.middle), sum4(s.big), sum4(s.small), bitcast<f32>(most));
        workgroupBarrier();
        let all_threads = join_workgroup(mine, thread);
        if (thread == 0u) {
            partials[params.place + start / BLOCK] = all_threads;
        }
    }
}
