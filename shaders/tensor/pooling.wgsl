// Windows over planes: which window meets which places, for the kernels of this family.
//
// `each` and `line` are the elements of a plane and of a row of what a kernel makes, with their reciprocals
// for quotient.wgsl. Along an axis, window o begins at o * stride - padding and meets every dilation-th place, kernel of
// them; with ADAPTIVE it reaches from floor(o * length / count) to ceil((o + 1) * length / count).

struct Axis {
  length: i32, count: i32,  // places of the plane, windows
  kernel: i32, stride: i32, padding: i32, dilation: i32,
}

struct Range { start: i32, end: i32 }

fn row_axis() -> Axis {
  return Axis(
    params.height, params.rows, i32(KERNEL_H), i32(STRIDE_H), params.padding_h, i32(DILATION_H));
}

fn column_axis() -> Axis {
  return Axis(
    params.width, params.columns, i32(KERNEL_W), i32(STRIDE_W), params.padding_w, i32(DILATION_W));
}

// Where an element lies: its plane, and its row and column there.
struct Place { plane: u32, row: i32, column: i32 }

fn place_in_planes(e: u32) -> Place {
  let plane = quotient(e, params.each, params.each_inverse);
  let within = e - plane * params.each;
  let row = quotient(within, params.line, params.line_inverse);
  return Place(plane, i32(row), i32(within - row * params.line));
}

fn is_nan(value: f32) -> bool { return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u; }

// Its places, padding included.
fn window(axis: Axis, o: i32) -> Range {
  if (ADAPTIVE) {
    let whole = axis.length / axis.count;
    let rest = axis.length % axis.count;
    return Range(
      o * whole + o * rest / axis.count,
      (o + 1) * whole + ((o + 1) * rest + axis.count - 1) / axis.count);
  }
  let start = o * axis.stride - axis.padding;
  return Range(start, start + (axis.kernel - 1) * axis.dilation + 1);
}

fn step_of(axis: Axis) -> i32 { return select(axis.dilation, 1, ADAPTIVE); }

// Its first place in the plane.
fn first_place(axis: Axis, start: i32) -> i32 {
  let step = step_of(axis);
  return start + select(0, (step - 1 - start) / step * step, start < 0);
}

// The windows that reach over place i.
fn windows_over(axis: Axis, i: i32) -> Range {
  if (ADAPTIVE) {
    var first = i32(f32(i) * f32(axis.count) / f32(axis.length));
    first = clamp(first, 0, axis.count - 1);
    while (first > 0 && window(axis, first - 1).end > i) { first--; }
    while (window(axis, first).end <= i) { first++; }
    var end = first + 1;
    while (end < axis.count && window(axis, end).start <= i) { end++; }
    return Range(first, end);
  }
  let reach = (axis.kernel - 1) * axis.dilation;
  let least = i + axis.padding - reach;
  let first = select((least + axis.stride - 1) / axis.stride, 0, least <= 0);
  return Range(first, min((i + axis.padding) / axis.stride + 1, axis.count));
}

// Whether window o has place i, which it reaches over.
fn has_place(axis: Axis, o: i32, i: i32) -> bool {
  return ADAPTIVE || (i - (o * axis.stride - axis.padding)) % axis.dilation == 0;
}

// What the sum of a window is divided by.
fn divisor(rows: Range, columns: Range) -> f32 {
  if (params.divisor != 0) { return f32(params.divisor); }
  let down = select(0, params.padding_h, INCLUDE_PADDING);
  let along = select(0, params.padding_w, INCLUDE_PADDING);
  let height = min(rows.end, params.height + down) - max(rows.start, -down);
  let width = min(columns.end, params.width + along) - max(columns.start, -along);
  return f32(height) * f32(width);
}
