// The largest of the numbers of a row, and what the others add to its exponential. Between rows.wgsl
// and the kernels of softmax and cross-entropy; the prelude has exponential.wgsl.

// rest = sum of exp(number - top) over the others; -1 where there is no number at all. The largest
// one's own part of the sum is 1, beside which small others would lose their digits.
struct Soft { top: f32, rest: f32 }

// Four of them side by side, a column each.
struct Softs { top: vec4<f32>, rest: vec4<f32> }

const LOWEST = -3.4028234e38;

var<workgroup> pairs: array<vec2<f32>, 256>;

fn max4(v: vec4<f32>) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }

fn no_softs() -> Softs { return Softs(vec4<f32>(LOWEST), vec4<f32>(-1.0)); }

fn soft_add(s: Softs, v: vec4<f32>) -> Softs {
  let part = decay(-abs(v - s.top));
  let larger = v > s.top;
  return Softs(select(s.top, v, larger), part + select(s.rest, s.rest * part, larger));
}

fn spread_max(local: u32, value: f32) -> f32 {
  let lane = local % LANES;
  scratch[local] = value;
  workgroupBarrier();
  for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
    if (lane < reach) { scratch[local] = max(scratch[local], scratch[local + reach]); }
    workgroupBarrier();
  }
  let result = scratch[local - lane];
  workgroupBarrier();
  return result;
}

fn spread_pair(local: u32, value: vec2<f32>) -> vec2<f32> {
  let lane = local % LANES;
  pairs[local] = value;
  workgroupBarrier();
  for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
    if (lane < reach) { pairs[local] += pairs[local + reach]; }
    workgroupBarrier();
  }
  return pairs[local - lane];
}

// Of a whole row, from its largest number, and what each of its invocations has seen: the sum of
// exp(number - top) over the numbers below the top, and how many equal it.
fn soft_sum(local: u32, top: f32, parts: vec4<f32>, times: vec4<f32>) -> Soft {
  let sums = spread_pair(local, vec2<f32>(sum4(parts), sum4(times)));
  // In integers, or a compiler might add the 1 to the parts before it takes it off
  let rest = sums.x + f32(i32(sums.y) - 1);
  // An infinite number is infinitely far from itself
  let infinite = bitcast<u32>(top) == 0x7f800000u;
  return Soft(top, select(rest, nan_from(vec4<f32>(top)).x, infinite));
}

fn soft_spread(local: u32, s: Softs) -> Soft {
  let top = spread_max(local, max4(s.top));
  let at_top = s.top == vec4<f32>(top);
  let parts = select((1.0 + s.rest) * decay(s.top - vec4<f32>(top)), s.rest, at_top);
  return soft_sum(local, top, parts, select(vec4<f32>(0.0), vec4<f32>(1.0), at_top));
}

// log(sum of exp(number - top))
fn soft_log(s: Soft) -> f32 {
  let rest = vec4<f32>(s.rest);
  let near = (s.rest >= 0.0) && (s.rest <= 1.0);
  return select(logarithm(1.0 + rest), log_1p(rest), near).x;
}
