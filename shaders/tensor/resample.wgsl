// y[o][p][i] = sum over t of weights[p][t] * x[o][starts[p] + t][i],  t < reach: a banded matrix along an
// axis of an array seen as (outer, places, inner). Weights of 0 are left out, also past the end.
//
// The prelude gives x_element(e), starts_element(e), weights_element(e), output_store(e, v) and params.

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var e = id.x; e < params.count; e += groups.x * 256u) {
    let line = e / params.inner;
    let place = line % params.places;
    let start = line / params.places * params.length + u32(starts_element(place));
    let first = params.offset + start * params.inner + e % params.inner;
    var sum = 0.0;
    for (var t = 0u; t < params.reach; t++) {
      let weight = weights_element(place * params.reach + t);
      if (weight != 0.0) { sum += weight * x_element(first + t * params.inner); }
    }
    output_store(e, sum);
  }
}
