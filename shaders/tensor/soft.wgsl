// The largest of the numbers of a row, and what the others add to its exponential. Between rows.wgsl
// and the kernels of softmax and cross-entropy; the prelude has exponential.wgsl.

// rest = sum of exp(number - top) over the others; -1 where there is no number at all. The largest
// one's own part of the sum is 1, beside which small others would lose their digits.
struct Soft { top: f32, rest: f32 }

// Four of them side by side, a column each.
struct Softs { top: vec4<f32>, rest: vec4<f32> }

const LOWEST = -3.4028234e38;

var<workgroup> softs: array<Soft, 256>;

fn no_softs() -> Softs { return Softs(vec4<f32>(LOWEST), vec4<f32>(-1.0)); }

fn soft_add(s: Softs, v: vec4<f32>) -> Softs {
  let part = decay(-abs(v - s.top));
  let larger = v > s.top;
  return Softs(select(s.top, v, larger), part + select(s.rest, s.rest * part, larger));
}

fn soft_pair(a: Soft, b: Soft) -> Soft {
  let part = decay(vec4<f32>(-abs(a.top - b.top))).x;
  if (b.top > a.top) { return Soft(b.top, b.rest + fma(a.rest, part, part)); }
  return Soft(a.top, a.rest + fma(b.rest, part, part));
}

// Of four columns.
fn soft_join(s: Softs) -> Soft {
  return soft_pair(
    soft_pair(Soft(s.top.x, s.rest.x), Soft(s.top.y, s.rest.y)),
    soft_pair(Soft(s.top.z, s.rest.z), Soft(s.top.w, s.rest.w)));
}

// Of a whole row, from what each of its invocations has seen.
fn soft_spread(local: u32, s: Soft) -> Soft {
  let lane = local % LANES;
  softs[local] = s;
  workgroupBarrier();
  for (var reach = LANES / 2u; reach > 0u; reach /= 2u) {
    if (lane < reach) { softs[local] = soft_pair(softs[local], softs[local + reach]); }
    workgroupBarrier();
  }
  let all = softs[local - lane];
  workgroupBarrier();
  // An infinite number is infinitely far from itself
  let infinite = bitcast<u32>(all.top) == 0x7f800000u;
  return Soft(all.top, select(all.rest, nan_from(vec4<f32>(all.top)).x, infinite));
}

// log(sum of exp(number - top))
fn soft_log(s: Soft) -> f32 {
  let rest = vec4<f32>(s.rest);
  let near = (s.rest >= 0.0) && (s.rest <= 1.0);
  return select(logarithm(1.0 + rest), log_1p(rest), near).x;
}
