// One of the arrays that attention reads: (batch, head, row, d), with neighbours along d.
//
// gpu/attention_source.py writes this text for each of them, with its name for "side". Rows past the
// last one repeat it, numbers past the size of the head are zero.

fn side_start(batch: u32, head: u32) -> u32 {
  return params.side_offset + batch * params.side_batch + head * params.side_head;
}

fn side_at(start: u32, row: u32, d: u32) -> vec4<f32> {
  let at = start + min(row, params.side_rows - 1u) * params.side_row + d;
  if (SIDE_VECTORS) {
    if (SIDE_WHOLE) { return load_side_vector(at / 4u); }
    if (d < params.side_size) { return load_side_vector(at / 4u); }
    return vec4<f32>(0.0);
  }
  var result = vec4<f32>(0.0);
  for (var e = 0u; e < 4u; e++) {  // unroll
    if (d + e < params.side_size) { result[e] = load_side_element(at + e); }
  }
  return result;
}
