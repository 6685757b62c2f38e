// What makes a matrix product (matmul.wgsl) of a convolution, without its matrix in memory.
//
// An element of the source's matrix lies where a pixel of the other plane and a tap of the kernel
// meet: at the sum of two points, see convolution_operand.wgsl. Pixels are (image, row, column), with
// the point of (0, 0) at (row_start, column_start) and steps between them; taps are (channel, row,
// column) of the kernel. All of a source is described by a few numbers, which wrap around:
//   convolution        weight (out channels, taps) x source (taps, pixels of the result)
//   for the input      weight (in channels, taps) x gradient (taps, pixels of the input); with a
//                      stride, the pixels of each remainder on their own, with the taps that reach them
//   for the weight     gradient (out channels, its pixels) x source (pixels, taps): FOR_WEIGHT
// The batches of the product are the convolution's groups.
//
// TAP_ROWS and TAP_COLUMNS are the kernel's size; SPREAD says that the pixels of the result do not lie
// side by side. The params beside the product's:
//   c_batch                               elements from one group of the result to the next
//   pixels, columns, their reciprocals    of an image, of a row
//   height, width, plane, image           of the source: lengths, and elements to the next
//   row_step .. column_start              from pixels to places in the source
//   tap_row, tap_column                   steps of a tap
//   out_image, out_row, out_column        from pixels to places in the result

struct Point { offset: u32, h: u32, w: u32 }

const TAPS = TAP_ROWS * TAP_COLUMNS;

fn pixel(i: u32) -> Point {
  let image = quotient(i, params.pixels, params.pixels_inverse);
  let p = i - image * params.pixels;
  let row = quotient(p, params.columns, params.columns_inverse);
  let h = row * params.row_step + params.row_start;
  let w = (p - row * params.columns) * params.column_step + params.column_start;
  return Point(image * params.image + h * params.width + w, h, w);
}

fn tap(i: u32) -> Point {
  let t = i % TAPS;
  let h = t / TAP_COLUMNS * params.tap_row;
  let w = t % TAP_COLUMNS * params.tap_column;
  return Point(i / TAPS * params.plane + h * params.width + w, h, w);
}

fn b_across_point(n: u32) -> Point {
  if (FOR_WEIGHT) { return tap(n); }
  return pixel(n);
}

fn b_k_point(k: u32) -> Point {
  if (FOR_WEIGHT) { return pixel(k); }
  return tap(k);
}

// The gradient of the result, where it is the first operand: its channels and pixels.
fn a_across_point(m: u32) -> Point { return Point(m * params.pixels, 0u, 0u); }

fn a_k_point(k: u32) -> Point {
  return Point(k + quotient(k, params.pixels, params.pixels_inverse) * params.a_step, 0u, 0u);
}

fn c_start(split: u32, batch: u32) -> u32 {
  return params.c_offset + split * params.batches * params.m * params.n + batch * params.c_batch;
}

fn c_place(tile: Tile, m: u32, n: u32) -> u32 {
  if (FOR_WEIGHT) { return tile.c_base + m * params.n + n; }
  let image = quotient(n, params.pixels, params.pixels_inverse);
  let p = n - image * params.pixels;
  let base = tile.c_base + image * params.out_image + m * params.out_plane;
  if (!SPREAD) { return base + p; }
  let row = quotient(p, params.columns, params.columns_inverse);
  return base + row * params.out_row + (p - row * params.columns) * params.out_column;
}
