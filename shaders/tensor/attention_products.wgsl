// The gradients of attention, products of the blocks that attention_slopes.wgsl made:
//   into value = weights^T grad,   into key = slopes^T query,   into query = slopes key
// A workgroup makes EDGE rows of one of them, COLUMNS wide. Keys add up what they get of all query
// heads that share them, one after the other, and what the parts before this one left.

const RIGHT_VECTORS = COLUMN_VECTORS;
const INTO_VALUE = 0u;
const INTO_KEY = 1u;
const INTO_QUERY = 2u;

struct Place {
  product: u32, column: u32,
  line: u32,            // the first one, counted from the part's first one
  block: u32,           // of rows
  members: u32,         // lines that are summed up
  start: u32, end: u32, // of each of them, what is summed over
}

// What a workgroup makes: those with the most to do begin first.
fn find_place(number: u32) -> Place {
  let owners = params.lines / params.sharing;
  let of_rank = (2u * owners + params.lines) * params.wide;
  let rank = number / of_rank;
  let which = number % of_rank / params.wide;
  var place: Place;
  place.column = number % params.wide * COLUMNS;
  if (which < 2u * owners) {
    place.product = which % 2u;
    place.line = which / 2u * params.sharing;
    place.block = params.first_column + rank;
    place.start = max(params.first_row, select(0u, place.block, params.triangle != 0u)) * EDGE;
    place.end = min(params.queries, params.last_row * EDGE);
    if (place.block < params.last_column) { place.members = params.sharing; }
  } else {
    place.product = INTO_QUERY;
    place.line = which - 2u * owners;
    if (rank < params.last_row - params.first_row) {
      place.block = params.last_row - 1u - rank;
      place.start = params.first_column * EDGE;
      let last = select(params.last_column, place.block + 1u, params.triangle != 0u);
      place.end = min(params.keys, min(params.last_column, last) * EDGE);
      place.members = 1u;
    }
  }
  return place;
}

// Where the lines of the other side begin that a line's blocks are multiplied by.
fn lines_start(place: Place, line: u32) -> u32 {
  let batch = (params.first_line + line) / params.heads;
  let head = (params.first_line + line) % params.heads;
  if (place.product == INTO_VALUE) { return grad_start(batch, head); }
  if (place.product == INTO_KEY) { return query_start(batch, head); }
  return key_start(batch, head / params.sharing);
}

// The slice of both sides from `inner` on, on its way to registers.
fn fetch(
  place: Place, line: u32, lines: u32, inner: u32, local: u32,
  left_next: ptr<function, array<vec4<f32>, 4u * LEFT_LOADS>>,
  right_next: ptr<function, array<vec4<f32>, LINE_LOADS>>,
) {
  let along = place.product == INTO_QUERY;
  let row = select(inner / EDGE, place.block, along);
  let column = select(place.block, inner / EDGE, along);
  let start = block_start(line, row, column)
    + select(params.beside, 0u, place.product == INTO_VALUE);
  fetch_block(start, inner % EDGE, along, local, left_next);
  if (place.product == INTO_VALUE) {
    for (var i = 0u; i < LINE_LOADS; i++) {  // unroll
      let t = local + i * THREADS;
      (*right_next)[i] = grad_at(
        lines, inner + t / COLUMN_VECTORS, place.column + t % COLUMN_VECTORS * 4u);
    }
  } else if (place.product == INTO_KEY) {
    for (var i = 0u; i < LINE_LOADS; i++) {  // unroll
      let t = local + i * THREADS;
      (*right_next)[i] = query_at(
        lines, inner + t / COLUMN_VECTORS, place.column + t % COLUMN_VECTORS * 4u);
    }
  } else {
    for (var i = 0u; i < LINE_LOADS; i++) {  // unroll
      let t = local + i * THREADS;
      (*right_next)[i] = key_at(
        lines, inner + t / COLUMN_VECTORS, place.column + t % COLUMN_VECTORS * 4u);
    }
  }
}

fn store_rows(
  local: u32, buffer: u32, next: ptr<function, array<vec4<f32>, 4u * LEFT_LOADS>>,
) {
  for (var i = 0u; i < LEFT_LOADS; i++) {  // unroll
    let t = local + i * THREADS;
    if (LEFT_BLOCKS % THREADS == 0u || t < LEFT_BLOCKS) {
      let at = buffer * LEFT_SLICE + block_depth(t) * ROW_VECTORS + block_vector(t);
      for (var e = 0u; e < 4u; e++) {  // unroll
        left[at + e * ROW_VECTORS] = (*next)[4u * i + e];
      }
    }
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
  let of_query = place.product == INTO_QUERY;
  if (place.members == 0u) { return; }
  let tx = local % TX;
  let ty = local / TX;

  var sums: array<vec4<f32>, SUMS>;
  var left_next: array<vec4<f32>, 4u * LEFT_LOADS>;
  var right_next: array<vec4<f32>, LINE_LOADS>;
  var buffer = 0u;
  if (place.start < place.end) {
    let last = place.line + place.members - 1u;
    var line = place.line;
    var lines = lines_start(place, line);
    var inner = place.start;
    fetch(place, line, lines, inner, local, &left_next, &right_next);
    while (line <= last) {
      if (of_query) {
        store_left(local, buffer, &left_next);
      } else {
        store_rows(local, buffer, &left_next);
      }
      store_lines(local, buffer, &right_next);
      workgroupBarrier();
      inner += SLICE;
      if (inner >= place.end) {
        inner = place.start;
        line += 1u;
        if (line <= last) { lines = lines_start(place, line); }
      }
      if (line <= last) { fetch(place, line, lines, inner, local, &left_next, &right_next); }
      multiply_slice(tx, ty, buffer, &sums);
      if (BUFFERS == 1u) { workgroupBarrier(); }
      buffer = (buffer + 1u) % BUFFERS;
    }
  }

  let batch = (params.first_line + place.line) / params.heads;
  let head = (params.first_line + place.line) % params.heads;
  let owner = head / params.sharing;
  for (var p = 0u; p < ROW_CHUNKS; p++) {  // unroll
    for (var c = 0u; c < 4u; c++) {  // unroll
      let row = place.block * EDGE + 4u * row_vector(ty, p) + c;
      for (var q = 0u; q < COLUMN_CHUNKS; q++) {  // unroll
        let column = place.column + column_of(tx, q);
        let sum = sums[(4u * p + c) * COLUMN_CHUNKS + q];
        if (of_query) {
          if (row < params.queries) {
            into_query_store(into_query_start(batch, head), row, column, sum);
          }
        } else if (row < params.keys) {
          if (place.product == INTO_KEY) {
            into_key_store(into_key_start(batch, owner), row, column, sum);
          } else {
            into_value_store(into_value_start(batch, owner), row, column, sum);
          }
        }
      }
    }
  }
}
