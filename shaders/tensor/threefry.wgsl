// Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, SC'11): two random words for the
// counter (i / 2, position) under the key; elements i and i + 1 (i even) take one each.

const ROTATIONS = array<u32, 8>(13u, 15u, 26u, 6u, 17u, 29u, 16u, 24u);
const TO_UNIT = 5.9604644775390625e-8;  // 2**-24

fn threefry(counter: vec2<u32>, key: vec2<u32>) -> vec2<u32> {
  var ks = array<u32, 3>(key.x, key.y, 0x1bd11bdau ^ key.x ^ key.y);
  var x = counter + key;
  for (var r = 0u; r < 20u; r++) {  // unroll
    x.x += x.y;
    x.y = ((x.y << ROTATIONS[r % 8u]) | (x.y >> (32u - ROTATIONS[r % 8u]))) ^ x.x;
    if (r % 4u == 3u) {
      x.x += ks[((r + 1u) / 4u) % 3u];
      x.y += ks[((r + 1u) / 4u + 1u) % 3u] + (r + 1u) / 4u;
    }
  }
  return x;
}

// Words 4 i to 4 i + 3 of a call.
fn random_words(i: u32, position: u32, key: vec2<u32>) -> vec4<u32> {
  return vec4<u32>(
    threefry(vec2<u32>(2u * i, position), key), threefry(vec2<u32>(2u * i + 1u, position), key));
}

// Uniform in [0, 1): (w >> 8) * 2**-24.
fn unit(words: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(words >> vec4<u32>(8u)) * TO_UNIT;
}
