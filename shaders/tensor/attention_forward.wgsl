// Attention of a block of queries, by a running softmax (Milakov and Gimelshein, arXiv:1805.02867;
// Dao et al., arXiv:2205.14135):
//   output = sum over keys of exp(s - top) * value / total,   s = scale * query . key + mask,
//   top = max s,  total = sum exp(s - top),  normaliser = top + log(total)
// Rows without any key give zero, and a normaliser beside which every weight is zero.

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
  let mask = mask_start(place.batch, place.head);
  let end = select(params.keys, min(params.keys, place.first + ROWS), CAUSAL);

  var outputs: array<vec4<f32>, OUTPUTS>;
  var tops: array<vec4<f32>, ROW_CHUNKS>;
  var totals: array<vec4<f32>, ROW_CHUNKS>;
  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    tops[p] = vec4<f32>(LOWEST);
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
        value_fetch_lines(value, first, local, &lines_next);
      }
      multiply_slice(tx, ty, &sums);
      workgroupBarrier();
    }

    score(place.first, first, tx, ty, mask, &sums);

    // Each invocation's largest of its rows, then everybody's
    var bests: array<vec4<f32>, ROW_CHUNKS>;
    for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
      bests[p] = tops[p];
      for (var c = 0u; c < 4u; c++) {  // unroll
        for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
          bests[p][c] = max(bests[p][c], max4(sums[(4u * p + c) * COLUMN_CHUNKS + q]));
        }
      }
      left[tx * ROW_VECTORS + row_vector(ty, p)] = bests[p];
    }
    workgroupBarrier();
    for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
      for (var x = 0u; x < TX; x++) {  // unroll
        bests[p] = max(bests[p], left[x * ROW_VECTORS + row_vector(ty, p)]);
      }
      let shrink = weight(tops[p], bests[p]);
      tops[p] = bests[p];
      totals[p] *= shrink;
      for (var c = 0u; c < 4u; c++) {  // unroll
        for (var q = 0u; q < SIZE_CHUNKS; q++) {  // unroll
          outputs[(4u * p + c) * SIZE_CHUNKS + q] *= shrink[c];
        }
        for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
          let part = weight(sums[(4u * p + c) * COLUMN_CHUNKS + q], vec4<f32>(bests[p][c]));
          totals[p][c] += sum4(part);
          sums[(4u * p + c) * COLUMN_CHUNKS + q] = part;
          if (DROPOUT) {
            sums[(4u * p + c) * COLUMN_CHUNKS + q] *= kept(
              place.first + 4u * row_vector(ty, p) + c, first + column_of(tx, q), line);
          }
        }
      }
    }
    store_weights(tx, ty, &sums);

    for (var k = 0u; k < COLUMNS; k += SLICE) {
      store_lines(local, &lines_next);
      workgroupBarrier();
      if (k + SLICE < COLUMNS) {
        value_fetch_lines(value, first + k + SLICE, local, &lines_next);
      } else {
        query_fetch_left(query, place.first, 0u, local, &left_next);
        key_fetch_right(key, first + COLUMNS, 0u, local, &right_next);
      }
      multiply_weights(tx, ty, k, &outputs);
      workgroupBarrier();
    }
  }

  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    left[tx * ROW_VECTORS + row_vector(ty, p)] = totals[p];
  }
  workgroupBarrier();
  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    var total = vec4<f32>(0.0);
    for (var x = 0u; x < TX; x++) {  // unroll
      total += left[x * ROW_VECTORS + row_vector(ty, p)];
    }
    let empty = total == vec4<f32>(0.0);
    let share = select(1.0 / total, vec4<f32>(0.0), empty);
    let normaliser = select(tops[p] + logarithm(total), vec4<f32>(-LOWEST), empty);
    for (var c = 0u; c < 4u; c++) {  // unroll
      let row = place.first + 4u * row_vector(ty, p) + c;
      if (row < params.queries) {
        if (tx == 0u) { normalisers[line * params.queries + row] = normaliser[c]; }
        for (var q = 0u; q < SIZE_CHUNKS; q++) {  // unroll
          store_result(
            result_start(place.batch, place.head), row, column_of(tx, q),
            outputs[(4u * p + c) * SIZE_CHUNKS + q] * share[c]);
        }
      }
    }
  }
}
