// The weights of attention.

const LOWEST = -3.4028234e38;
const LOG2_E = 1.4426950408889634;

// exp(score - top). The driver's own exp2 is exact to a few units in the last place of 1, which is
// what the sum of a row is measured by.
fn weight(score: vec4<f32>, top: vec4<f32>) -> vec4<f32> { return exp2((score - top) * LOG2_E); }
