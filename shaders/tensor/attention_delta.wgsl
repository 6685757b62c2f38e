// The statistics that the gradients of attention read, of each query: its normaliser, and
//   delta = sum over d of grad * output

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let rows = params.batches * params.heads * params.queries;
  for (var i = id.x; i < rows; i += groups.x * 256u) {
    let head = i % params.heads;
    let row = i / params.heads % params.queries;
    let batch = i / (params.heads * params.queries);
    let grad = grad_start(batch, head);
    let output = output_start(batch, head);
    var sums = vec4<f32>(0.0);
    for (var d = 0u; d < params.grad_size; d += 4u) {
      sums = fma(grad_at(grad, row, d), output_at(output, row, d), sums);
    }
    let place = (batch * params.heads + head) * params.queries + row;
    statistics[place] = vec2<f32>(normalisers[place], (sums.x + sums.y) + (sums.z + sums.w));
  }
}
