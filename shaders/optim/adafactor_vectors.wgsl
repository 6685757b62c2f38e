// Adafactor: the moving squares of parameters that are no matrices.
// A block is first element, number of elements, place in `factors`, group.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>,
        @builtin(local_invocation_index) thread: u32,
        @builtin(num_workgroups) groups: vec3<u32>) {
    if (skipped()) { return; }
    for (var k = params.first + group.x; k < params.last; k += groups.x) {
        let block = blocks[k];
        let h = table[block.w];
        let share = new_share(h, step_of(h));
        for (var i = thread; i < block.y; i += 256u) {
            let g = element(block.x + i + params.shift) * scale();
            let at = block.z + i;
            factors[at] += share * (g * g - factors[at]);
        }
    }
}
