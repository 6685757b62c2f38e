// Windows over planes as columns, (image, channel, tap row, tap column, row, column); with FOLDS its adjoint:
// each place of a plane is the sum of what the columns have of it, in the order of the taps.
//
// The prelude gives x_element(e), output_store(e, v) and params.

fn unfolded(e: u32) -> f32 {
  let places = u32(params.rows * params.columns);
  let taps = u32(params.kernel_h * params.kernel_w);
  let line = e / places;
  let place = i32(e % places);
  let tap = i32(line % taps);
  let h = place / params.columns * params.stride_h - params.padding_h
    + tap / params.kernel_w * params.dilation_h;
  let w = place % params.columns * params.stride_w - params.padding_w
    + tap % params.kernel_w * params.dilation_w;
  if (h < 0 || w < 0 || h >= params.height || w >= params.width) { return 0.0; }
  let plane = line / taps * u32(params.height * params.width);
  return x_element(params.offset + plane + u32(h * params.width + w));
}

fn folded(e: u32) -> f32 {
  let plane = e / u32(params.height * params.width);
  let within = i32(e % u32(params.height * params.width));
  let h = within / params.width + params.padding_h;
  let w = within % params.width + params.padding_w;
  let places = u32(params.rows * params.columns);
  let first = params.offset + plane * u32(params.kernel_h * params.kernel_w) * places;
  var sum = 0.0;
  for (var i = 0; i < params.kernel_h; i++) {
    let down = h - i * params.dilation_h;
    if (down < 0 || down % params.stride_h != 0 || down / params.stride_h >= params.rows) { continue; }
    let row = down / params.stride_h * params.columns;
    for (var j = 0; j < params.kernel_w; j++) {
      let along = w - j * params.dilation_w;
      if (along < 0 || along % params.stride_w != 0) { continue; }
      let column = along / params.stride_w;
      if (column < params.columns) {
        sum += x_element(first + u32(i * params.kernel_w + j) * places + u32(row + column));
      }
    }
  }
  return sum;
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.count; e += groups.x * 256u) {
    if (FOLDS) { output_store(e, folded(e)); } else { output_store(e, unfolded(e)); }
  }
}
