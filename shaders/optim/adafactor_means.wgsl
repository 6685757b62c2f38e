// Adafactor: the mean of a matrix's row factor, a workgroup a matrix.
// A block is first partial sum, number of them, elements, place of the mean in `factors`.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>,
        @builtin(local_invocation_index) thread: u32,
        @builtin(num_workgroups) groups: vec3<u32>) {
    for (var k = params.first + group.x; k < params.last; k += groups.x) {
        let block = blocks[k];
        var mine = 0.0;
        for (var i = thread; i < block.y; i += 256u) {
            mine += partials[block.x + i];
        }
        let sum = sum_workgroup(vec2<f32>(mine, 0.0), thread).x;
        if (thread == 0u) {
            factors[block.w] = sum / f32(block.z);
        }
    }
}
