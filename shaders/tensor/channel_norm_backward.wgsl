// Gradient of a channel norm for its input x, of the gradient g of its result:
//   dx = scale * (w * g - f * (sums + n * dots) / count),   n = (x - mean) * scale
// BATCH: mean, scale, sums = sum(g) and dots = sum(g * n) are those of the channel, and f = w;
// else they are those of the group, sum(w * g) and sum(w * g * n), and f = 1.
//
// An invocation takes 4 neighbours. ALIGNED: they lie in one channel of one sample; SHORT: they may
// lie in more than two.

struct Params {
  size: u32, length: u32, channels: u32, statistics: u32, each: u32,
  x_offset: u32, g_offset: u32, weight_offset: u32, dots_offset: u32, sums_offset: u32,
  inverse: f32,   // 1 / count
}

@group(0) @binding(2) var<storage, read> moments: array<f32>;
@group(0) @binding(3) var<storage, read> pairs: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;

struct Line { mean: f32, scale: f32, weight: f32, dots: f32, sums: f32 }

fn line(plane: u32) -> Line {
  let channel = plane % params.channels;
  let k = select(plane / params.each, channel, BATCH);
  let w = weight_of(channel);
  let f = select(1.0, w, BATCH) * params.inverse;
  return Line(
    moments[k], moments[params.statistics + k], w,
    f * pairs[params.dots_offset + k], f * pairs[params.sums_offset + k]);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let vectors = (params.size + 3u) / 4u;
  for (var i = id.x; i < vectors; i += groups.x * 256u) {
    let x = x_vector(params.x_offset / 4u + i);
    let g = g_vector(params.g_offset / 4u + i);
    if (ALIGNED) {
      let one = line(4u * i / params.length);
      let n = (x - vec4<f32>(one.mean)) * one.scale;
      output[i] = one.scale * (one.weight * g - (vec4<f32>(one.sums) + n * one.dots));
    } else {
      let plane = 4u * i / params.length;
      let left = (plane + 1u) * params.length - 4u * i;
      let first = line(plane);
      let second = line(min(plane + 1u, (params.size - 1u) / params.length));
      var result = vec4<f32>(0.0);
      for (var j = 0u; j < 4u; j++) {
        var one = first;
        if (j >= left) { one = second; }
        if (SHORT) { one = line(min(4u * i + j, params.size - 1u) / params.length); }
        let n = (x[j] - one.mean) * one.scale;
        result[j] = one.scale * (one.weight * g[j] - (one.sums + n * one.dots));
      }
      output[i] = result;
    }
  }
}
