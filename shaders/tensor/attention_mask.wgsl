// The gradient of an added mask, from the slopes of a part: each element gets the sum of those that it was
// added to, one after the other, and what earlier parts left.

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let all = params.mask_batches * params.mask_heads * params.mask_queries * params.mask_keys;
  for (var e = id.x; e < all; e += groups.x * 256u) {
    let column = e % params.mask_keys;
    let row = e / params.mask_keys % params.mask_queries;
    let head = e / (params.mask_keys * params.mask_queries) % params.mask_heads;
    let batch = e / (params.mask_keys * params.mask_queries * params.mask_heads);
    var columns = vec2<u32>(params.first_column * EDGE, min(params.last_column * EDGE, params.keys));
    var rows = vec2<u32>(params.first_row * EDGE, min(params.last_row * EDGE, params.queries));
    if (params.mask_keys > 1u) {
      columns = vec2<u32>(max(columns.x, column), min(columns.y, column + 1u));
    }
    if (params.mask_queries > 1u) { rows = vec2<u32>(max(rows.x, row), min(rows.y, row + 1u)); }
    var sum = 0.0;
    for (var line = 0u; line < params.lines; line++) {
      let of_batch = (params.first_line + line) / params.heads;
      let of_head = (params.first_line + line) % params.heads;
      if (params.mask_batches > 1u && of_batch != batch) { continue; }
      if (params.mask_heads > 1u && of_head != head) { continue; }
      for (var r = rows.x; r < rows.y; r++) {
        for (var c = columns.x; c < columns.y; c++) {
          let start = params.beside + block_start(line, r / EDGE, c / EDGE);
          let at = (r % EDGE) * EDGE + c % EDGE;
          sum += blocks[start + at / 4u][at % 4u];
        }
      }
    }
    result[e] += sum;
  }
}
