// Sums of squares. A square overflows or underflows long before its root does, so elements are
// summed in three classes, big and small ones scaled by 2^-90 and 2^90 (Blue, 1978).

@group(0) @binding(2) var<uniform> params: Params;

const BIG: f32 = 1.125899906842624e15;      // 2^50
const SMALL: f32 = 8.881784197001252e-16;   // 2^-50

fn add(s: ptr<function, Sums>, a: vec4<f32>) {
    if (all((a == vec4<f32>()) | ((a >= vec4<f32>(SMALL)) & (a < vec4<f32>(BIG))))) {
        (*s).middle += a * a;
        return;
    }
    let is_big = a >= vec4<f32>(BIG);
    let is_small = a < vec4<f32>(SMALL);
    let down = select(vec4<f32>(), a * DOWN, is_big);
    let up = select(vec4<f32>(), a * UP, is_small);
    (*s).big += down * down;
    (*s).small += up * up;
    (*s).middle += select(a * a, vec4<f32>(), is_big | is_small);
}
