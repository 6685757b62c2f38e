// Weights of attention for a block of queries and keys, in a softmax whose parts are joined later
// (Milakov and Gimelshein, arXiv:1805.02867):
//   weights exp(s - top), after dropout,   s = scale * query . key + mask,
//   top = max s,  total = sum exp(s - top) of each row of the block

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

  var left_next: array<vec4<f32>, 4u * LEFT_LOADS>;
  var right_next: array<vec4<f32>, 4u * RIGHT_LOADS>;
  var sums: array<vec4<f32>, SUMS>;
  var buffer = 0u;
  query_fetch_left(query, first_row, 0u, local, &left_next);
  key_fetch_right(key, first_column, 0u, local, &right_next);
  for (var d = 0u; d < params.query_size; d += SLICE) {
    store_left(local, buffer, &left_next);
    store_right(local, buffer, &right_next);
    workgroupBarrier();
    if (d + SLICE < params.query_size) {
      query_fetch_left(query, first_row, d + SLICE, local, &left_next);
      key_fetch_right(key, first_column, d + SLICE, local, &right_next);
    }
    multiply_slice(tx, ty, buffer, &sums);
    if (BUFFERS == 1u) { workgroupBarrier(); }
    buffer = (buffer + 1u) % BUFFERS;
  }
  score(first_row, first_column, tx, ty, mask_start(batch, head), &sums);

  // Each invocation's largest of its rows, then everybody's
  var tops: array<vec4<f32>, ROW_CHUNKS>;
  var totals: array<vec4<f32>, ROW_CHUNKS>;
  if (BUFFERS > 1u) { workgroupBarrier(); }
  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    tops[p] = vec4<f32>(LOWEST);
    for (var c = 0u; c < 4u; c++) {  // unroll
      for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
        tops[p][c] = max(tops[p][c], max4(sums[(4u * p + c) * COLUMN_CHUNKS + q]));
      }
    }
    left[tx * ROW_VECTORS + row_vector(ty, p)] = tops[p];
  }
  workgroupBarrier();
  let start = block_start(place.line, place.row, place.column);
  let rows = start + place.half * ROWS * (EDGE / 4u);
  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    for (var x = 0u; x < TX; x++) {  // unroll
      tops[p] = max(tops[p], left[x * ROW_VECTORS + row_vector(ty, p)]);
    }
    for (var c = 0u; c < 4u; c++) {  // unroll
      let row = 4u * row_vector(ty, p) + c;
      for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
        var part = weight(sums[(4u * p + c) * COLUMN_CHUNKS + q], vec4<f32>(tops[p][c]));
        totals[p][c] += sum4(part);
        if (DROPOUT) { part *= kept(first_row + row, first_column + column_of(tx, q), line); }
        blocks[rows + row * (EDGE / 4u) + q * TX + tx] = part;
      }
    }
    right[tx * ROW_VECTORS + row_vector(ty, p)] = totals[p];
  }
  workgroupBarrier();
  if (tx == 0u) {
    let moments = moments_start(start) + place.half * ROW_VECTORS;
    for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
      var total = vec4<f32>(0.0);
      for (var x = 0u; x < TX; x++) {  // unroll
        total += right[x * ROW_VECTORS + row_vector(ty, p)];
      }
      blocks[moments + row_vector(ty, p)] = tops[p];
      blocks[moments + EDGE / 4u + row_vector(ty, p)] = total;
    }
  }
}
