// Random numbers of threefry.wgsl, which is put in front:
//   uniform = (w >> 8) * 2**-24
//   normal  = r * cos(theta), r * sin(theta)   r = sqrt(-2 log(1 - u0)), theta = 2 pi u1
//   integer = low + floor(w * span / 2**32)    (a span of 0 stands for 2**32)
// The output holds the bits of float32 or int32; KIND is 0, 1 or 2 for these three.

struct Params { size: u32, state_offset: u32, low: i32, span: u32 }

@group(0) @binding(0) var<storage, read> state: array<u32>;  // key, key, position
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;
@group(0) @binding(2) var<uniform> params: Params;

const TWO_PI = 6.283185307179586;

// The upper half of the product of two words, from products of halves.
fn upper_product(w: vec4<u32>, span: u32) -> vec4<u32> {
  let low = vec4<u32>(0xffffu);
  let a = w >> vec4<u32>(16u);
  let b = w & low;
  let first = a * (span & 0xffffu) + ((b * (span & 0xffffu)) >> vec4<u32>(16u));
  let second = b * (span >> 16u) + (first & low);
  return a * (span >> 16u) + (first >> vec4<u32>(16u)) + (second >> vec4<u32>(16u));
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let at = params.state_offset;
  let key = vec2<u32>(state[at], state[at + 1u]);
  let position = state[at + 2u];
  for (var i = id.x; i < (params.size + 3u) / 4u; i += groups.x * 256u) {
    let words = random_words(i, position, key);
    let u = unit(words);
    if (KIND == 2u) {
      let chosen = select(upper_product(words, params.span), words, params.span == 0u);
      output[i] = chosen + vec4<u32>(bitcast<u32>(params.low));
    } else if (KIND == 1u) {
      let r = sqrt(-2.0 * logarithm(1.0 - u.xxzz));
      let theta = TWO_PI * u.yyww;
      let turned = select(cosine(theta), sine(theta), vec4<bool>(false, true, false, true));
      output[i] = bitcast<vec4<u32>>(r * turned);
    } else {
      output[i] = bitcast<vec4<u32>>(u);
    }
  }
}
