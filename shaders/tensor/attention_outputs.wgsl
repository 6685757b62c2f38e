// Attention of a block of queries, from the blocks of attention_weights.wgsl:
//   output = sum over blocks of exp(top - highest) * weights value / all,
//   highest = max top,  all = sum exp(top - highest) * total,  normaliser = highest + log(all)
// A workgroup makes EDGE rows, COLUMNS wide. Rows without any key give zero, and a normaliser beside
// which every weight is zero.

const RIGHT_VECTORS = COLUMN_VECTORS;

struct Place { line: u32, block: u32, column: u32, end: u32 }

// What a workgroup makes: those with the most to do begin first.
fn find_place(number: u32) -> Place {
  let column = number % params.wide * COLUMNS;
  let line = number / params.wide % params.lines;
  let block = params.last_row - 1u - number / (params.wide * params.lines);
  let end = select(params.keys, min(params.keys, (block + 1u) * EDGE), CAUSAL);
  return Place(line, block, column, end);
}

// The highest top of 4 rows.
fn highest(place: Place, vector: u32) -> vec4<f32> {
  var top = vec4<f32>(LOWEST);
  for (var k = 0u; k < place.end; k += EDGE) {
    top = max(top, blocks[moments_start(block_start(place.line, place.block, k / EDGE)) + vector]);
  }
  return top;
}

// The slice of weights and values from key k on, and the tops of the weights.
fn fetch(
  place: Place, value: u32, k: u32, local: u32,
  tops_next: ptr<function, array<vec4<f32>, LEFT_LOADS>>,
  left_next: ptr<function, array<vec4<f32>, 4u * LEFT_LOADS>>,
  right_next: ptr<function, array<vec4<f32>, LINE_LOADS>>,
) {
  let start = block_start(place.line, place.block, k / EDGE);
  for (var i = 0u; i < LEFT_LOADS; i++) {  // unroll
    (*tops_next)[i] = blocks[moments_start(start) + block_vector(local + i * THREADS)];
  }
  fetch_block(start, k % EDGE, true, local, left_next);
  for (var i = 0u; i < LINE_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    (*right_next)[i] = value_at(
      value, k + t / COLUMN_VECTORS, place.column + t % COLUMN_VECTORS * 4u);
  }
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.groups) { return; }
  let place = find_place(number);
  let tx = local % TX;
  let ty = local / TX;
  let line = params.first_line + place.line;
  let batch = line / params.heads;
  let head = line % params.heads;
  let value = value_start(batch, head / params.sharing);

  var sums: array<vec4<f32>, SUMS>;
  var left_next: array<vec4<f32>, 4u * LEFT_LOADS>;
  var right_next: array<vec4<f32>, LINE_LOADS>;
  var tops: array<vec4<f32>, LEFT_LOADS>;
  var tops_next: array<vec4<f32>, LEFT_LOADS>;
  for (var i = 0u; i < LEFT_LOADS; i++) {  // unroll
    tops[i] = highest(place, block_vector(local + i * THREADS));
  }
  var buffer = 0u;
  fetch(place, value, 0u, local, &tops_next, &left_next, &right_next);
  for (var k = 0u; k < place.end; k += SLICE) {
    for (var i = 0u; i < LEFT_LOADS; i++) {  // unroll
      let shares = weight(tops_next[i], tops[i]);
      for (var j = 0u; j < 4u; j++) {  // unroll
        left_next[4u * i + j] *= shares[j];
      }
    }
    store_left(local, buffer, &left_next);
    store_lines(local, buffer, &right_next);
    workgroupBarrier();
    if (k + SLICE < place.end) {
      fetch(place, value, k + SLICE, local, &tops_next, &left_next, &right_next);
    }
    multiply_slice(tx, ty, buffer, &sums);
    if (BUFFERS == 1u) { workgroupBarrier(); }
    buffer = (buffer + 1u) % BUFFERS;
  }

  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    let vector = row_vector(ty, p);
    let top = highest(place, vector);
    var total = vec4<f32>(0.0);
    for (var k = 0u; k < place.end; k += EDGE) {
      let moments = moments_start(block_start(place.line, place.block, k / EDGE)) + vector;
      total += weight(blocks[moments], top) * blocks[moments + EDGE / 4u];
    }
    let empty = total == vec4<f32>(0.0);
    let share = select(1.0 / total, vec4<f32>(0.0), empty);
    let normaliser = select(top + logarithm(total), vec4<f32>(-LOWEST), empty);
    for (var c = 0u; c < 4u; c++) {  // unroll
      let row = place.block * EDGE + 4u * vector + c;
      if (row < params.queries) {
        if (place.column + tx == 0u) { normalisers[line * params.queries + row] = normaliser[c]; }
        for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
          result_store(
            result_start(batch, head), row, place.column + column_of(tx, q),
            sums[(4u * p + c) * COLUMN_CHUNKS + q] * share[c]);
        }
      }
    }
  }
}
