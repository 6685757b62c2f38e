// Attention of a block of queries, by a running softmax (Milakov and Gimelshein, arXiv:1805.02867;
// Dao et al., arXiv:2205.14135):
//   output = sum over keys of exp(s - top) * value / total,   s = scale * query . key + mask,
//   top = max s,  total = sum exp(s - top),  normaliser = top + log(total)
// Rows without any key give zero, and a normaliser beside which every weight is zero.

const SIZE_VECTORS = TX * SIZE_CHUNKS;
const SIZE = 4u * SIZE_VECTORS;
const RIGHT_VECTORS = max(COLUMN_VECTORS, SIZE_VECTORS);
const OUTPUTS = 4u * ROW_CHUNKS * SIZE_CHUNKS;
const LINE_BLOCKS = SLICE * SIZE_VECTORS;
const LINE_LOADS = (LINE_BLOCKS + THREADS - 1u) / THREADS;
// A line of rows for each column, turned by the number of the column, so that invocations that write
// their columns at the same time do not meet in a bank.
var<workgroup> weights: array<vec4<f32>, COLUMNS * ROW_VECTORS>;

// outputs += weights * right, SLICE columns from the first one on.
fn multiply_weights(
  tx: u32, ty: u32, first: u32, outputs: ptr<function, array<vec4<f32>, OUTPUTS>>,
) {
  for (var d = 0u; d < SLICE; d += STEP) {
    for (var k = 0u; k < STEP; k++) {  // unroll
      var rows: array<vec4<f32>, ROW_CHUNKS>;
      var columns: array<vec4<f32>, SIZE_CHUNKS>;
      for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
        rows[p] = weights[
          (first + d + k) * ROW_VECTORS + p * TY + (ty ^ ((first + d) / 4u % 8u) ^ (k / 4u))];
      }
      for (var q = 0u; q < SIZE_CHUNKS; q++) {  // unroll
        columns[q] = right[(d + k) * SIZE_VECTORS + q * TX + tx];
      }
      for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
        for (var c = 0u; c < 4u; c++) {  // unroll
          for (var q = 0u; q < SIZE_CHUNKS; q++) {  // unroll
            (*outputs)[(4u * p + c) * SIZE_CHUNKS + q] = fma(
              vec4<f32>(rows[p][c]), columns[q], (*outputs)[(4u * p + c) * SIZE_CHUNKS + q]);
          }
        }
      }
    }
  }
}

// The weights of an invocation's tile into workgroup memory.
fn store_weights(tx: u32, ty: u32, sums: ptr<function, array<vec4<f32>, SUMS>>) {
  for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
    for (var e = 0u; e < 4u; e++) {  // unroll
      for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
        weights[weight_at(column_of(tx, q) + e, row_vector(ty, p))] = vec4<f32>(
          (*sums)[(4u * p + 0u) * COLUMN_CHUNKS + q][e],
          (*sums)[(4u * p + 1u) * COLUMN_CHUNKS + q][e],
          (*sums)[(4u * p + 2u) * COLUMN_CHUNKS + q][e],
          (*sums)[(4u * p + 3u) * COLUMN_CHUNKS + q][e]);
      }
    }
  }
}

fn store_lines(local: u32, next: ptr<function, array<vec4<f32>, LINE_LOADS>>) {
  for (var i = 0u; i < LINE_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (t < LINE_BLOCKS) { right[t] = (*next)[i]; }
  }
}

fn value_fetch_lines(
  start: u32, first: u32, local: u32, next: ptr<function, array<vec4<f32>, LINE_LOADS>>,
) {
  for (var i = 0u; i < LINE_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    (*next)[i] = value_at(start, first + t / SIZE_VECTORS, t % SIZE_VECTORS * 4u);
  }
}

struct Place { batch: u32, head: u32, first: u32 }

// Which head and which first row a workgroup has: those with the most to do begin first.
fn find_place(number: u32) -> Place {
  let heads = params.batches * params.heads;
  var head = number / params.blocks;
  var block = number % params.blocks;
  if (CAUSAL) {
    head = number % heads;
    block = params.blocks - 1u - number / heads;
  }
  return Place(head / params.heads, head % params.heads, block * ROWS);
}

// Where the weights of 4 rows lie in a column.
fn weight_at(column: u32, vector: u32) -> u32 {
  return column * ROW_VECTORS + (vector ^ (column / 4u % 8u));
}

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
      store_left(local, 0u, &left_next);
      store_right(local, 0u, &right_next);
      workgroupBarrier();
      if (d + SLICE < params.query_size) {
        query_fetch_left(query, place.first, d + SLICE, local, &left_next);
        key_fetch_right(key, first, d + SLICE, local, &right_next);
      } else {
        value_fetch_lines(value, first, local, &lines_next);
      }
      multiply_slice(tx, ty, 0u, &sums);
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
          result_store(
            result_start(place.batch, place.head), row, column_of(tx, q),
            outputs[(4u * p + c) * SIZE_CHUNKS + q] * share[c]);
        }
      }
    }
  }
}
