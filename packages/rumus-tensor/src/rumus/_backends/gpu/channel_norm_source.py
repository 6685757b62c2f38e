"""The WGSL around the kernels of normalised channels."""

from __future__ import annotations

from functools import cache

from rumus.gpu import Kernel, Pipeline

from .kernels import kernel
from .layer_norm import four_columns, sums_bindings
from .wgsl import declare_elements, declare_loads, declare_vectors, read_shader


@cache
def _with_moments(name: str) -> Kernel:
    text = read_shader("moments.wgsl") + read_shader(f"{name}.wgsl")
    return Kernel(text, name=name, trusted=True)


@cache
def row_moments_pipeline(dtype: str, vectors: bool, lanes: int, final: bool) -> Pipeline:
    """A variant of ``channel_moments_rows.wgsl``."""
    prelude = declare_loads(0, "x", dtype, vectors) + _output(1, "moments") + _params(2)
    return _with_moments("channel_moments_rows").variant(
        prelude=prelude, VECTORS=vectors, LANES=lanes, FINAL=final
    )


@cache
def column_moments_pipeline(dtype: str, vectors: bool) -> Pipeline:
    """A variant of ``channel_moments_columns.wgsl``."""
    prelude = declare_loads(0, "x", dtype, vectors) + four_columns("x", vectors)
    return kernel("channel_moments_columns").variant(
        prelude=prelude + _output(1, "moments") + _params(2), VECTORS=vectors
    )


@cache
def join_moments_pipeline(running: bool, tracked: bool) -> Pipeline:
    """A variant of ``channel_moments_join.wgsl``."""
    prelude = "@group(0) @binding(0) var<storage, read> partial: array<f32>;\n" + _output(
        1, "moments"
    )
    body = ""
    if running:
        prelude += _output(2, "running_mean") + _output(3, "running_var")
        body += """
  let i = params.mean_offset + k;
  running_mean[i] += params.momentum * (all.mean - running_mean[i]);
  let j = params.var_offset + k;
  let unbiased = all.squares / max(all.count - 1.0, 1.0);
  running_var[j] += params.momentum * (unbiased - running_var[j]);
"""
    if tracked:
        prelude += "@group(0) @binding(4) var<storage, read_write> batches: array<i32>;\n"
        body += "  if (k == 0u) { batches[params.count_offset] += 1; }\n"
    prelude += _params(2 + 2 * running + tracked)
    prelude += f"fn follow(k: u32, all: Moments) {{{body}}}\n"
    return _with_moments("channel_moments_join").variant(prelude=prelude)


@cache
def row_sums_pipeline(dtypes: tuple[str, str], vectors: bool, lanes: int, batch: bool) -> Pipeline:
    """A variant of ``channel_sums.wgsl``, over the input and the gradient of the result."""
    prelude = declare_loads(0, "x", dtypes[0], vectors) + declare_loads(1, "g", dtypes[1], vectors)
    return kernel("channel_sums").variant(
        prelude=prelude, VECTORS=vectors, LANES=lanes, BATCH=batch
    )


@cache
def column_sums_pipeline(dtypes: tuple[str, str], vectors: bool, length: int) -> Pipeline:
    """The variant of ``layer_norm_sums.wgsl`` with the moments of columns, ``length`` a channel."""
    prelude = (
        declare_loads(0, "x", dtypes[0], vectors)
        + declare_loads(1, "g", dtypes[1], vectors)
        + "@group(0) @binding(2) var<storage, read> moments: array<f32>;\n"
        + four_columns("x", vectors)
        + four_columns("g", vectors)
        + sums_bindings(3)
        + f"""
fn four_moments(at: vec4<u32>) -> vec4<f32> {{
  return vec4<f32>(moments[at.x], moments[at.y], moments[at.z], moments[at.w]);
}}

fn terms(r: u32, columns: vec4<u32>) -> Terms {{
  let g = four_g(params.g_offset + r * params.columns, columns);
  let x = four_x(params.x_offset + r * params.columns, columns);
  let k = columns / vec4<u32>({length}u);
  let scale = four_moments(k + vec4<u32>(params.columns / {length}u));
  return Terms(g * (x - four_moments(k)) * scale, g);
}}
"""
    )
    return kernel("layer_norm_sums").variant(prelude=prelude, VECTORS=vectors, BIAS=True)


@cache
def join_sums_pipeline(weight: str | None) -> Pipeline:
    """A variant of ``channel_sums_join.wgsl``; ``weight`` is the dtype of the weights."""
    prelude = "@group(0) @binding(0) var<storage, read> partial: array<f32>;\n"
    prelude += _weight(1, weight)
    at = 1 + (weight is not None)
    prelude += _output(at, "output") + _params(at + 1)
    return kernel("channel_sums_join").variant(prelude=prelude)


@cache
def backward_pipeline(
    dtypes: tuple[str, str], weight: str | None, batch: bool, aligned: bool, short: bool
) -> Pipeline:
    """A variant of ``channel_norm_backward.wgsl``; ``weight`` is the dtype of the weights."""
    prelude = (
        declare_vectors(0, "x", dtypes[0])
        + declare_vectors(1, "g", dtypes[1])
        + _weight(5, weight)
        + _params(5 + (weight is not None))
    )
    return kernel("channel_norm_backward").variant(
        prelude=prelude, BATCH=batch, ALIGNED=aligned, SHORT=short
    )


def _weight(binding: int, dtype: str | None) -> str:
    """``weight_of(channel)``, 1 where there are no weights."""
    if dtype is None:
        return "fn weight_of(channel: u32) -> f32 { return 1.0; }\n"
    return (
        declare_elements(binding, "weight", dtype)
        + "fn weight_of(channel: u32) -> f32 "
        + "{ return weight_element(params.weight_offset + channel); }\n"
    )


def _output(binding: int, name: str) -> str:
    return f"@group(0) @binding({binding}) var<storage, read_write> {name}: array<f32>;\n"


def _params(binding: int) -> str:
    return f"@group(0) @binding({binding}) var<uniform> params: Params;\n"
