// What each place of a plane gets from the windows over it, with pooling.wgsl: with MAX from those whose
// largest it was, else its share of each. An invocation adds up for one place, in the windows' order.
//
// The prelude gives g_element(e), places_element(e), output_store(e, v) and params.

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.count; e += groups.x * 256u) {
    let here = place_in_planes(e);
    let within = here.row * params.width + here.column;
    let rows = windows_over(row_axis(), here.row);
    let columns = windows_over(column_axis(), here.column);
    let base = here.plane * u32(params.rows * params.columns);
    var sum = 0.0;
    for (var row = rows.start; row < rows.end; row++) {
      if (!has_place(row_axis(), row, here.row)) { continue; }
      for (var column = columns.start; column < columns.end; column++) {
        let at = base + u32(row * params.columns + column);
        if (MAX) {
          if (places_element(params.places_offset + at) == within) { sum += g_element(params.offset + at); }
        } else if (has_place(column_axis(), column, here.column)) {
          let share = divisor(window(row_axis(), row), window(column_axis(), column));
          sum += g_element(params.offset + at) / share;
        }
      }
    }
    output_store(e, sum);
  }
}
