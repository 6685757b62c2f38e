// Activations of 4 numbers that are no choice between others. Put behind exponential.wgsl.

// exp(a) - 1 of a <= 0: with t = tanh(a / 2) it is 2 t / (1 - t), which keeps the digits of small a.
fn decay_less_1(a: vec4<f32>) -> vec4<f32> {
  let t = tanh_safe(0.5 * a);
  return 2.0 * t / (1.0 - t);
}

fn elu(a: vec4<f32>, below: vec4<f32>, above: vec4<f32>, inner: vec4<f32>) -> vec4<f32> {
  let low = below * decay_less_1(min(inner * a, vec4<f32>(0.0)));
  let result = select(low, above * a, a > vec4<f32>(0.0));
  return select(result, a, is_nan_f32(a));
}

fn elu_slope(a: vec4<f32>, below: vec4<f32>, above: vec4<f32>, inner: vec4<f32>) -> vec4<f32> {
  let low = below * inner * decay(min(inner * a, vec4<f32>(0.0)));
  let result = select(low, above, a > vec4<f32>(0.0));
  return select(result, a, is_nan_f32(a));
}

// tanh(log(1 + exp(a))) and 1 less its square, of w = exp(a): n / (n + 2), n = w * (w + 2). Beyond 20
// they are 1 and 0.
struct Mish { t: vec4<f32>, rest: vec4<f32> }

fn mish_parts(a: vec4<f32>) -> Mish {
  let w = exponential(min(a, vec4<f32>(20.0)));
  let n = w * (w + 2.0);
  let inverse = 1.0 / (n + 2.0);
  return Mish(n * inverse, 4.0 * (n + 1.0) * inverse * inverse);
}

fn mish(a: vec4<f32>) -> vec4<f32> { return a * mish_parts(a).t; }

fn mish_slope(a: vec4<f32>) -> vec4<f32> {
  let parts = mish_parts(a);
  let near = clamp(a, vec4<f32>(-100.0), vec4<f32>(20.0));
  return select(parts.t + near * parts.rest * sigmoid(near), a, is_nan_f32(a));
}

fn softsign_slope(a: vec4<f32>) -> vec4<f32> {
  let inverse = 1.0 / (1.0 + abs(a));
  return inverse * inverse;
}
