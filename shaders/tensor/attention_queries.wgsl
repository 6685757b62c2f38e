// The gradient of attention for a block of queries, weights made again from their normalisers:
//   p = exp(s - normaliser),   ds = p * (grad . value - delta),   into query = scale * sum ds * key
// with delta = grad . output of each query, from attention_delta.wgsl.

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.blocks * params.heads * params.batches) { return; }
  let place = find_place(number);
  let tx = local % TX;
  let ty = local / TX;
  let line = place.batch * params.heads + place.head;
  let query = query_start(place.batch, place.head);
  let key = key_start(place.batch, place.head / params.sharing);
  let value = value_start(place.batch, place.head / params.sharing);
  let grad = grad_start(place.batch, place.head);
  let mask = mask_start(place.batch, place.head);
  let end = select(params.keys, min(params.keys, place.first + ROWS), CAUSAL);

  var outputs: array<vec4<f32>, OUTPUTS>;
  var normalisers: array<vec4<f32>, ROW_CHUNKS>;
  var deltas: array<vec4<f32>, ROW_CHUNKS>;
  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    for (var c = 0u; c < 4u; c++) {  // unroll
      let row = min(place.first + 4u * row_vector(ty, p) + c, params.queries - 1u);
      let statistic = statistics[line * params.queries + row];
      normalisers[p][c] = statistic.x;
      deltas[p][c] = statistic.y;
    }
  }
  var left_next: array<vec4<f32>, 4u * LEFT_LOADS>;
  var right_next: array<vec4<f32>, 4u * RIGHT_LOADS>;
  var lines_next: array<vec4<f32>, LINE_LOADS>;
  query_fetch_left(query, place.first, 0u, local, &left_next);
  key_fetch_right(key, 0u, 0u, local, &right_next);

  for (var first = 0u; first < end; first += COLUMNS) {
    var sums: array<vec4<f32>, SUMS>;
    clear(&sums);
    for (var d = 0u; d < params.query_size; d += SLICE) {
      store_left(local, &left_next);
      store_right(local, &right_next);
      workgroupBarrier();
      if (d + SLICE < params.query_size) {
        query_fetch_left(query, place.first, d + SLICE, local, &left_next);
        key_fetch_right(key, first, d + SLICE, local, &right_next);
      } else {
        grad_fetch_left(grad, place.first, 0u, local, &left_next);
        value_fetch_right(value, first, 0u, local, &right_next);
      }
      multiply_slice(tx, ty, &sums);
      workgroupBarrier();
    }
    score(place.first, first, tx, ty, mask, &sums);
    for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
      for (var c = 0u; c < 4u; c++) {  // unroll
        for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
          sums[(4u * p + c) * COLUMN_CHUNKS + q] = weight(
            sums[(4u * p + c) * COLUMN_CHUNKS + q], vec4<f32>(normalisers[p][c]));
        }
      }
    }
    store_weights(tx, ty, &sums);

    clear(&sums);
    for (var d = 0u; d < params.value_size; d += SLICE) {
      store_left(local, &left_next);
      store_right(local, &right_next);
      workgroupBarrier();
      if (d + SLICE < params.value_size) {
        grad_fetch_left(grad, place.first, d + SLICE, local, &left_next);
        value_fetch_right(value, first, d + SLICE, local, &right_next);
      } else {
        key_fetch_lines(key, first, local, &lines_next);
      }
      multiply_slice(tx, ty, &sums);
      workgroupBarrier();
    }
    if (DROPOUT) {
      drop(place.first, first, tx, ty, line, &sums);
    }
    for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
      for (var e = 0u; e < 4u; e++) {  // unroll
        for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
          let at = weight_at(column_of(tx, q) + e, row_vector(ty, p));
          weights[at] *= vec4<f32>(
            sums[(4u * p + 0u) * COLUMN_CHUNKS + q][e],
            sums[(4u * p + 1u) * COLUMN_CHUNKS + q][e],
            sums[(4u * p + 2u) * COLUMN_CHUNKS + q][e],
            sums[(4u * p + 3u) * COLUMN_CHUNKS + q][e]) - deltas[p];
        }
      }
    }

    for (var k = 0u; k < COLUMNS; k += SLICE) {
      store_lines(local, &lines_next);
      workgroupBarrier();
      if (k + SLICE < COLUMNS) {
        key_fetch_lines(key, first + k + SLICE, local, &lines_next);
      } else {
        query_fetch_left(query, place.first, 0u, local, &left_next);
        key_fetch_right(key, first + COLUMNS, 0u, local, &right_next);
      }
      multiply_weights(tx, ty, k, &outputs);
      workgroupBarrier();
    }
  }

  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    for (var c = 0u; c < 4u; c++) {  // unroll
      let row = place.first + 4u * row_vector(ty, p) + c;
      if (row < params.queries) {
        for (var q = 0u; q < SIZE_CHUNKS; q++) {  // unroll
          store_result(
            result_start(place.batch, place.head), row, column_of(tx, q),
            outputs[(4u * p + c) * SIZE_CHUNKS + q] * params.scale);
        }
      }
    }
  }
}
