"""Layer normalisation of the rows of a matrix, and its gradients."""

from __future__ import annotations

from functools import cache

import numpy as np

from rumus._core.dtypes import float32
from rumus.gpu import GpuArray, Pipeline, empty, zeros

from .kernels import kernel, most_groups, plane, shares
from .movement import contiguous
from .reduce_layout import split
from .row_source import (
    aligned,
    as_dtype,
    caching_variant,
    fetch,
    lanes_and_cache,
    row_groups,
    store,
)
from .wgsl import declare_loads, dtype_name

STRIP = 32
"""Columns of a workgroup of ``layer_norm_sums.wgsl``."""
_LEAST_SHARE = 128
"""Rows of a workgroup of it: fewer are not worth a second pass."""
_INPUTS = {"layer_norm": ("x", "weight", "bias"), "layer_norm_backward": ("x", "g", "weight")}


def layer_norm(
    a: GpuArray, weight: GpuArray, bias: GpuArray, eps: float
) -> tuple[GpuArray, GpuArray]:
    """See ``Backend.layer_norm``."""
    a, weight, bias = contiguous(a), contiguous(weight), contiguous(bias)
    rows, columns = a.shape
    y = empty(a.shape, float32, a.device_index)
    moments = empty((rows, 2), float32, a.device_index)
    if y.size:
        pipeline, groups = _plan("layer_norm", a, weight, bias)
        words = rows, columns, a.offset, weight.offset, bias.offset, float(eps)
        pipeline.dispatch([a, weight, bias, moments, y], words, groups)
    return as_dtype(y, np.result_type(a.dtype, weight.dtype, bias.dtype)), moments


def layer_norm_backward(
    a: GpuArray, moments: GpuArray, weight: GpuArray, grad: GpuArray
) -> GpuArray:
    """See ``Backend.layer_norm_backward``."""
    a, weight, grad = contiguous(a), contiguous(weight), contiguous(grad)
    rows, columns = a.shape
    result = empty(a.shape, float32, a.device_index)
    if result.size:
        pipeline, groups = _plan("layer_norm_backward", a, grad, weight)
        words = rows, columns, a.offset, grad.offset, weight.offset
        pipeline.dispatch([a, grad, weight, moments, result], words, groups)
    return result


def layer_norm_sums(
    a: GpuArray,
    moments: GpuArray,
    grad: GpuArray,
    out: GpuArray | None,
    bias_out: GpuArray | None,
) -> tuple[GpuArray, GpuArray]:
    """See ``Backend.layer_norm_sums``; tall matrices are added up in parts first."""
    rows, columns = a.shape
    if out is None or bias_out is None or not _one_kernel_writes(out, bias_out, a, grad):
        both = (empty if a.size else zeros)((2, columns), float32, a.device_index)
        out, bias_out = (
            GpuArray(both.storage, (columns,), (1,), at, float32) for at in (0, columns)
        )
    if not a.size:
        return out, bias_out
    a, grad = contiguous(a), contiguous(grad)
    strips = -(-columns // STRIP)
    parts, share = split(rows, strips, _LEAST_SHARE, most_groups(a.device_index))
    groups = (*plane(strips, a.device_index), parts)
    pipeline = sums_pipeline((dtype_name(a.dtype), dtype_name(grad.dtype)), aligned(a, grad))
    words = rows, columns, share, strips, a.offset, grad.offset
    if parts == 1:
        pipeline.dispatch([a, grad, moments, out], (*words, out.offset, bias_out.offset), groups)
        return out, bias_out
    partial = empty((parts, 2, columns), float32, a.device_index)
    pipeline.dispatch([a, grad, moments, partial], (*words, 0, columns), groups)
    words = parts, columns, parts, strips, 0, 0
    parts_pipeline(columns % 4 == 0).dispatch(
        [partial, out], (*words, out.offset, bias_out.offset), groups[:2]
    )
    return out, bias_out


def _plan(name: str, a: GpuArray, *others: GpuArray) -> tuple[Pipeline, tuple[int, int]]:
    """The kernel for a matrix and what goes with it, and its workgroups."""
    rows, columns = a.shape
    lanes, cached = lanes_and_cache(columns)
    first, second, third = (dtype_name(given.dtype) for given in (a, *others))
    pipeline = norm_pipeline(name, (first, second, third), aligned(a, *others), lanes, cached)
    return pipeline, row_groups(rows, lanes, a.device_index)


def _one_kernel_writes(out: GpuArray, bias_out: GpuArray, *read: GpuArray) -> bool:
    """Whether both are float32 places in one storage, which a kernel binds but once."""
    places = out, bias_out
    fit = all(place.dtype == float32 and place.is_contiguous for place in places)
    return fit and shares(out, bias_out) and not any(shares(out, array) for array in read)


@cache
def norm_pipeline(
    name: str, dtypes: tuple[str, str, str], vectors: bool, lanes: int, cached: int
) -> Pipeline:
    """A variant of ``layer_norm.wgsl`` or its backward, for the dtypes of its first arrays."""
    declared = enumerate(zip(_INPUTS[name], dtypes, strict=True))
    prelude = "".join(fetch(at, array, dtype, vectors) for at, (array, dtype) in declared)
    return caching_variant(name, prelude + store(4, vectors), lanes, cached)


@cache
def sums_pipeline(dtypes: tuple[str, str], vectors: bool) -> Pipeline:
    """A variant of ``layer_norm_sums.wgsl`` over a matrix and the gradient of the result."""
    prelude = (
        declare_loads(0, "x", dtypes[0], vectors)
        + declare_loads(1, "g", dtypes[1], vectors)
        + "@group(0) @binding(2) var<storage, read> moments: array<vec2<f32>>;\n"
        + _four_columns("x", vectors)
        + _four_columns("g", vectors)
        + _sums_bindings(3)
        + """
fn terms(r: u32, columns: vec4<u32>) -> Terms {
  let g = four_g(params.g_offset + r * params.columns, columns);
  let x = four_x(params.x_offset + r * params.columns, columns);
  return Terms(g * (x - vec4<f32>(moments[r].x)) * moments[r].y, g);
}
"""
    )
    return kernel("layer_norm_sums").variant(prelude=prelude, VECTORS=vectors)


@cache
def parts_pipeline(vectors: bool) -> Pipeline:
    """The variant of ``layer_norm_sums.wgsl`` that adds up its own parts."""
    prelude = (
        declare_loads(0, "part", "float32", vectors)
        + _four_columns("part", vectors)
        + _sums_bindings(1)
        + """
fn terms(r: u32, columns: vec4<u32>) -> Terms {
  let base = 2u * r * params.columns;
  return Terms(four_part(base, columns), four_part(base + params.columns, columns));
}
"""
    )
    return kernel("layer_norm_sums").variant(prelude=prelude, VECTORS=vectors)


def _four_columns(name: str, vectors: bool) -> str:
    """``four_NAME(base, columns)``: elements of the row that starts at ``base``."""
    each = ", ".join(f"load_{name}_element(base + columns.{axis})" for axis in "xyzw")
    value = f"load_{name}_vector((base + columns.x) / 4u)" if vectors else f"vec4<f32>({each})"
    return f"fn four_{name}(base: u32, columns: vec4<u32>) -> vec4<f32> {{ return {value}; }}\n"


def _sums_bindings(first: int) -> str:
    return (
        f"@group(0) @binding({first}) var<storage, read_write> output: array<f32>;\n"
        f"@group(0) @binding({first + 1}) var<uniform> params: Params;\n"
    )


class LayerNorm:
    """The family's part of the backend."""

    layer_norm = staticmethod(layer_norm)
    layer_norm_backward = staticmethod(layer_norm_backward)
    layer_norm_sums = staticmethod(layer_norm_sums)
