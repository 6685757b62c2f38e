// The gradients of attention for a block of keys and values. Keys are the rows here, queries the
// columns, of all query heads that share the key's head, one after the other:
//   p = exp(s - normaliser),   into value = sum p * grad,
//   ds = p * (grad . value - delta),   into key = scale * sum ds * query
// With dropout the first p is the one that is kept, the second the one before it (`before`).

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
  let key = key_start(place.batch, place.head);
  let value = value_start(place.batch, place.head);
  let start = select(0u, place.first / COLUMNS * COLUMNS, CAUSAL);

  var into_value: array<vec4<f32>, OUTPUTS>;
  var into_key: array<vec4<f32>, OUTPUTS>;
  var left_next: array<vec4<f32>, 4u * LEFT_LOADS>;
  var right_next: array<vec4<f32>, 4u * RIGHT_LOADS>;
  var lines_next: array<vec4<f32>, LINE_LOADS>;

  for (var member = 0u; member < params.sharing; member++) {
    let head = place.head * params.sharing + member;
    let line = place.batch * params.heads * params.sharing + head;
    let query = query_start(place.batch, head);
    let grad = grad_start(place.batch, head);
    let mask = mask_start(place.batch, head);
    key_fetch_left(key, place.first, 0u, local, &left_next);
    query_fetch_right(query, start, 0u, local, &right_next);

    for (var first = start; first < params.queries; first += COLUMNS) {
      var sums: array<vec4<f32>, SUMS>;
      clear(&sums);
      for (var d = 0u; d < params.query_size; d += SLICE) {
        store_left(local, &left_next);
        store_right(local, &right_next);
        workgroupBarrier();
        if (d + SLICE < params.query_size) {
          key_fetch_left(key, place.first, d + SLICE, local, &left_next);
          query_fetch_right(query, first, d + SLICE, local, &right_next);
        } else {
          grad_fetch_lines(grad, first, local, &lines_next);
        }
        multiply_slice(tx, ty, &sums);
        workgroupBarrier();
      }

      var deltas: array<vec4<f32>, COLUMN_CHUNKS>;
      var normalisers: array<vec4<f32>, COLUMN_CHUNKS>;
      for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
        for (var e = 0u; e < 4u; e++) {  // unroll
          let row = min(first + column_of(tx, q) + e, params.queries - 1u);
          let statistic = statistics[line * params.queries + row];
          normalisers[q][e] = statistic.x;
          deltas[q][e] = statistic.y;
        }
      }
      score(place.first, first, tx, ty, mask, &sums);
      for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
        for (var c = 0u; c < 4u; c++) {  // unroll
          for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
            sums[(4u * p + c) * COLUMN_CHUNKS + q] = weight(
              sums[(4u * p + c) * COLUMN_CHUNKS + q], normalisers[q]);
          }
        }
      }
      if (DROPOUT) {
        store_weights(tx, ty, &sums);
        for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
          for (var e = 0u; e < 4u; e++) {  // unroll
            for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
              let at = weight_at(column_of(tx, q) + e, row_vector(ty, p));
              set_before(at, weights[at]);
            }
          }
        }
        drop(place.first, first, tx, ty, line, &sums);
      }
      store_weights(tx, ty, &sums);

      for (var k = 0u; k < COLUMNS; k += SLICE) {
        store_lines(local, &lines_next);
        workgroupBarrier();
        if (k + SLICE < COLUMNS) {
          grad_fetch_lines(grad, first + k + SLICE, local, &lines_next);
        } else {
          value_fetch_left(value, place.first, 0u, local, &left_next);
          grad_fetch_right(grad, first, 0u, local, &right_next);
        }
        multiply_weights(tx, ty, k, &into_value);
        workgroupBarrier();
      }

      clear(&sums);
      for (var d = 0u; d < params.value_size; d += SLICE) {
        store_left(local, &left_next);
        store_right(local, &right_next);
        workgroupBarrier();
        if (d + SLICE < params.value_size) {
          value_fetch_left(value, place.first, d + SLICE, local, &left_next);
          grad_fetch_right(grad, first, d + SLICE, local, &right_next);
        } else {
          query_fetch_lines(query, first, local, &lines_next);
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
            let chosen = weight_before(at);
            weights[at] = chosen * (vec4<f32>(
              sums[(4u * p + 0u) * COLUMN_CHUNKS + q][e],
              sums[(4u * p + 1u) * COLUMN_CHUNKS + q][e],
              sums[(4u * p + 2u) * COLUMN_CHUNKS + q][e],
              sums[(4u * p + 3u) * COLUMN_CHUNKS + q][e]) - deltas[q][e]);
          }
        }
      }

      for (var k = 0u; k < COLUMNS; k += SLICE) {
        store_lines(local, &lines_next);
        workgroupBarrier();
        if (k + SLICE < COLUMNS) {
          query_fetch_lines(query, first + k + SLICE, local, &lines_next);
        } else {
          key_fetch_left(key, place.first, 0u, local, &left_next);
          query_fetch_right(query, first + COLUMNS, 0u, local, &right_next);
        }
        multiply_weights(tx, ty, k, &into_key);
        workgroupBarrier();
      }
    }
  }

  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    for (var c = 0u; c < 4u; c++) {  // unroll
      let row = place.first + 4u * row_vector(ty, p) + c;
      if (row < params.keys) {
        for (var q = 0u; q < SIZE_CHUNKS; q++) {  // unroll
          store_result(
            result_start(place.batch, place.head), row, column_of(tx, q),
            into_key[(4u * p + c) * SIZE_CHUNKS + q] * params.scale);
          store_second(
            second_start(place.batch, place.head), row, column_of(tx, q),
            into_value[(4u * p + c) * SIZE_CHUNKS + q]);
        }
      }
    }
  }
}
