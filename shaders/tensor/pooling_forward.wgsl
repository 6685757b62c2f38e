// The largest (MAX) or the mean of each window, with pooling.wgsl. An invocation makes one.
//
// The prelude gives x_element(e), output_store(e, v), places_store(e, place) and params.

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.count; e += groups.x * 256u) {
    let at = place_in_planes(e);
    let rows = window(row_axis(), at.row);
    let columns = window(column_axis(), at.column);
    let base = params.offset + at.plane * u32(params.height * params.width);
    let top = first_place(row_axis(), rows.start);
    let left = first_place(column_axis(), columns.start);
    let bottom = min(rows.end, params.height);
    let right = min(columns.end, params.width);
    var best = params.lowest;
    var place = top * params.width + left;
    var sum = 0.0;
    for (var h = top; h < bottom; h += step_of(row_axis())) {
      for (var w = left; w < right; w += step_of(column_axis())) {
        let here = h * params.width + w;
        let value = x_element(base + u32(here));
        if (MAX) {
          if (value > best || is_nan(value)) {
            best = value;
            place = here;
          }
        } else {
          sum += value;
        }
      }
    }
    if (MAX) {
      output_store(e, best);
      places_store(e, place);
    } else {
      output_store(e, sum / divisor(rows, columns));
    }
  }
}
