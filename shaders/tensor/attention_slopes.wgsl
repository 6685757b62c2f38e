// What the gradients of attention are products of, for a block of queries and keys, from normalisers
// and delta = grad . output of each query (attention_delta.wgsl):
//   weights p = exp(s - normaliser), after dropout,
//   slopes ds = slope_scale * p * (grad . value - delta), with p before dropout

const RIGHT_VECTORS = COLUMN_VECTORS;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  let place = find_block(number);
  if (place.line >= params.lines) { return; }
  let tx = local % TX;
  let ty = local / TX;
  let line = params.first_line + place.line;
  let batch = line / params.heads;
  let head = line % params.heads;
  let first_row = place.row * EDGE + place.half * ROWS;
  let first_column = place.column * EDGE;
  let query = query_start(batch, head);
  let key = key_start(batch, head / params.sharing);
  let value = value_start(batch, head / params.sharing);
  let grad = grad_start(batch, head);

  var left_next: array<vec4<f32>, 4u * LEFT_LOADS>;
  var right_next: array<vec4<f32>, 4u * RIGHT_LOADS>;
  var sums: array<vec4<f32>, SUMS>;
  var parts: array<vec4<f32>, SUMS>;
  var deltas: array<vec4<f32>, ROW_CHUNKS>;
  var buffer = 0u;
  query_fetch_left(query, first_row, 0u, local, &left_next);
  key_fetch_right(key, first_column, 0u, local, &right_next);
  // First the scores, then the gradients of weights: in one loop, whose code is long.
  for (var of_value = 0u; of_value < 2u; of_value++) {
    clear(&sums);
    let size = select(params.query_size, params.value_size, of_value == 1u);
    for (var d = 0u; d < size; d += SLICE) {
      store_left(local, buffer, &left_next);
      store_right(local, buffer, &right_next);
      workgroupBarrier();
      let more = d + SLICE < size;
      if (more && of_value == 0u) {
        query_fetch_left(query, first_row, d + SLICE, local, &left_next);
        key_fetch_right(key, first_column, d + SLICE, local, &right_next);
      } else if (more || of_value == 0u) {
        let next = select(0u, d + SLICE, more);
        grad_fetch_left(grad, first_row, next, local, &left_next);
        value_fetch_right(value, first_column, next, local, &right_next);
      }
      multiply_slice(tx, ty, buffer, &sums);
      if (BUFFERS == 1u) { workgroupBarrier(); }
      buffer = (buffer + 1u) % BUFFERS;
    }
    if (of_value == 1u) { break; }
    score(first_row, first_column, tx, ty, mask_start(batch, head), &sums);
    for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
      for (var c = 0u; c < 4u; c++) {  // unroll
        let row = min(first_row + 4u * row_vector(ty, p) + c, params.queries - 1u);
        let statistic = statistics[line * params.queries + row];
        deltas[p][c] = statistic.y;
        for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
          parts[(4u * p + c) * COLUMN_CHUNKS + q] = weight(
            sums[(4u * p + c) * COLUMN_CHUNKS + q], vec4<f32>(statistic.x));
        }
      }
    }
  }

  let start = block_start(place.line, place.row, place.column) + place.half * ROWS * (EDGE / 4u);
  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    for (var c = 0u; c < 4u; c++) {  // unroll
      let row = 4u * row_vector(ty, p) + c;
      for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
        let at = start + row * (EDGE / 4u) + q * TX + tx;
        let part = parts[(4u * p + c) * COLUMN_CHUNKS + q];
        var factors = vec4<f32>(1.0);
        if (DROPOUT) { factors = kept(first_row + row, first_column + column_of(tx, q), line); }
        blocks[at] = part * factors;
        blocks[params.beside + at] = params.slope_scale * part *
          (sums[(4u * p + c) * COLUMN_CHUNKS + q] * factors - deltas[p][c]);
      }
    }
  }
}
