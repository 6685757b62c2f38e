// Softmax of each row or its logarithm (LOG):
//   y[c] = exp(x[c] - top) / (1 + rest)   or   x[c] - top - log(1 + rest),
//   top = max x,  1 + rest = sum exp(x - top)
//
// CACHED: CACHE vectors of a row stay in the registers of each of its LANES invocations. Rows that
// do not fit are read twice, the first time with a running maximum.

struct Params { rows: u32, columns: u32, offset: u32, none: f32 }

@group(0) @binding(2) var<uniform> params: Params;

fn fetch(base: u32, i: u32) -> vec4<f32> {
  return select(vec4<f32>(params.none), fetch_x(base, i), in_row(i));
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % LANES;
  let row = (group.y * groups.x + group.x) * (256u / LANES) + local / LANES;
  let inside = row < params.rows;
  let vectors = select(0u, (params.columns + 3u) / 4u, inside);
  let base = params.offset + row * params.columns;

  var cached: array<vec4<f32>, CACHE>;
  var top = vec4<f32>(LOWEST);
  var all: Soft;
  if (CACHED) {
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let i = lane + c * LANES;
      cached[c] = vec4<f32>(params.none);
      if (i < vectors) { cached[c] = fetch(base, i); }
      top = max(top, cached[c]);
    }
    top = vec4<f32>(spread_max(local, max4(top)));
    var parts = vec4<f32>(0.0);
    var times = vec4<f32>(0.0);
    for (var c = 0u; c < CACHE; c++) {  // unroll
      let part = decay(cached[c] - top);
      let at_top = cached[c] == top;
      parts += select(part, vec4<f32>(0.0), at_top);
      times += select(vec4<f32>(0.0), vec4<f32>(1.0), at_top);
      if (!LOG) { cached[c] = part; }
    }
    all = soft_sum(local, top.x, parts, times);
  } else {
    var mine = no_softs();
    for (var i = lane; i < vectors; i += LANES) { mine = soft_add(mine, fetch(base, i)); }
    all = soft_spread(local, mine);
  }

  if (LOG) {
    let total = soft_log(all);
    if (CACHED) {
      for (var c = 0u; c < CACHE; c++) {  // unroll
        let i = lane + c * LANES;
        if (i < vectors) { store_row(row, i, cached[c] - vec4<f32>(all.top) - vec4<f32>(total)); }
      }
    } else {
      for (var i = lane; i < vectors; i += LANES) {
        store_row(row, i, fetch(base, i) - vec4<f32>(all.top) - vec4<f32>(total));
      }
    }
  } else {
    let share = 1.0 / (1.0 + all.rest);
    if (CACHED) {
      for (var c = 0u; c < CACHE; c++) {  // unroll
        let i = lane + c * LANES;
        if (i < vectors) { store_row(row, i, cached[c] * share); }
      }
    } else {
      for (var i = lane; i < vectors; i += LANES) {
        store_row(row, i, decay(fetch(base, i) - vec4<f32>(all.top)) * share);
      }
    }
  }
}
