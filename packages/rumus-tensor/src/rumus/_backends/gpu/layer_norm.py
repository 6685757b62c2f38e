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


def layer_norm(
    a: GpuArray, weight: GpuArray | None, bias: GpuArray | None, eps: float, centred: bool = True
) -> tuple[GpuArray, GpuArray]:
    """See ``Backend.layer_norm``."""
    a = contiguous(a)
    lines = [None if line is None else contiguous(line) for line in (weight, bias)]
    given = [line for line in lines if line is not None]
    rows, columns = a.shape
    y = empty(a.shape, float32, a.device_index)
    moments = empty((rows, 2), float32, a.device_index)
    if y.size:
        lanes, cached = lanes_and_cache(columns)
        first, second, third = (_name_of(array) for array in (a, *lines))
        pipeline = norm_pipeline((first, second, third), centred, aligned(a, *given), lanes, cached)
        words = rows, columns, a.offset, *map(_offset_of, lines), float(eps)
        groups = row_groups(rows, lanes, a.device_index)
        pipeline.dispatch([a, moments, y, *given], words, groups)
    return as_dtype(y, np.result_type(a.dtype, *(line.dtype for line in given))), moments


def layer_norm_backward(
    a: GpuArray,
    moments: GpuArray,
    weight: GpuArray | None,
    grad: GpuArray,
    eps: float,
    centred: bool = True,
) -> GpuArray:
    """See ``Backend.layer_norm_backward``."""
    a, grad = contiguous(a), contiguous(grad)
    given = [] if weight is None else [contiguous(weight)]
    rows, columns = a.shape
    result = empty(a.shape, float32, a.device_index)
    if result.size:
        lanes, cached = lanes_and_cache(columns)
        dtypes = dtype_name(a.dtype), dtype_name(grad.dtype), _name_of(weight)
        pipeline = backward_pipeline(dtypes, centred, aligned(a, grad, *given), lanes, cached)
        words = rows, columns, a.offset, grad.offset, given[0].offset if given else 0
        groups = row_groups(rows, lanes, a.device_index)
        pipeline.dispatch([a, grad, moments, result, *given], words, groups)
    return result


def layer_norm_sums(
    a: GpuArray,
    moments: GpuArray,
    grad: GpuArray,
    eps: float,
    centred: bool = True,
    out: GpuArray | None = None,
    bias_out: GpuArray | None = None,
    bias: bool = True,
) -> tuple[GpuArray, GpuArray | None]:
    """See ``Backend.layer_norm_sums``; tall matrices are added up in parts first."""
    columns = a.shape[1]
    out, bias_out = places_of_sums(out, bias_out if bias else out, columns, (a, grad))
    if not a.size:
        out, bias_out = halves(zeros((2, columns), float32, a.device_index))
    else:
        _add_up(a, moments, grad, out, bias_out, bias)
    return out, bias_out if bias else None


def _add_up(
    a: GpuArray, moments: GpuArray, grad: GpuArray, out: GpuArray, bias_out: GpuArray, bias: bool
) -> None:
    rows, columns = a.shape
    a, grad = contiguous(a), contiguous(grad)
    strips = -(-columns // STRIP)
    parts, share = split(rows, strips, _LEAST_SHARE, most_groups(a.device_index))
    groups = (*plane(strips, a.device_index), parts)
    dtypes = dtype_name(a.dtype), dtype_name(grad.dtype)
    pipeline = sums_pipeline(dtypes, aligned(a, grad), bias or parts > 1)
    words = rows, columns, share, strips, a.offset, grad.offset
    if parts == 1:
        pipeline.dispatch([a, grad, moments, out], (*words, out.offset, bias_out.offset), groups)
        return
    partial = empty((parts, 2, columns), float32, a.device_index)
    pipeline.dispatch([a, grad, moments, partial], (*words, 0, columns), groups)
    words = parts, columns, parts, strips, 0, 0
    parts_pipeline(columns % 4 == 0, bias).dispatch(
        [partial, out], (*words, out.offset, bias_out.offset), groups[:2]
    )


def places_of_sums(
    out: GpuArray | None, bias_out: GpuArray | None, length: int, read: tuple[GpuArray, ...]
) -> tuple[GpuArray, GpuArray]:
    """Where a kernel that binds one storage writes both sums: what is given, if it can."""
    if out is not None and bias_out is not None:
        places = out, bias_out
        fit = all(place.dtype == float32 and place.is_contiguous for place in places)
        if fit and shares(out, bias_out) and not any(shares(out, array) for array in read):
            return places
    return halves(empty((2, length), float32, read[0].device_index))


def halves(both: GpuArray) -> tuple[GpuArray, GpuArray]:
    """The two rows of an array."""
    length = both.shape[1]
    first, second = (
        GpuArray(both.storage, (length,), (1,), both.offset + at, both.dtype) for at in (0, length)
    )
    return first, second


def _name_of(line: GpuArray | None) -> str | None:
    return None if line is None else dtype_name(line.dtype)


def _offset_of(line: GpuArray | None) -> int:
    return 0 if line is None else line.offset


@cache
def norm_pipeline(
    dtypes: tuple[str | None, ...], centred: bool, vectors: bool, lanes: int, cached: int
) -> Pipeline:
    """A variant of ``layer_norm.wgsl``, for the dtypes of x, weight and bias, or None."""
    x, weight, bias = dtypes
    prelude = fetch(0, "x", str(x), vectors) + store(2, vectors)
    prelude += _line(3, "weight", weight, vectors, 1.0)
    at = 3 + (weight is not None)
    prelude += _line(at, "bias", bias, vectors, 0.0) + _params(at + (bias is not None))
    return caching_variant("layer_norm", prelude, lanes, cached, CENTRED=centred)


@cache
def backward_pipeline(
    dtypes: tuple[str, str, str | None], centred: bool, vectors: bool, lanes: int, cached: int
) -> Pipeline:
    """A variant of ``layer_norm_backward.wgsl``, for the dtypes of x, g, and weight or None."""
    x, g, weight = dtypes
    prelude = fetch(0, "x", x, vectors) + fetch(1, "g", g, vectors) + store(3, vectors)
    prelude += _line(4, "weight", weight, vectors, 1.0) + _params(4 + (weight is not None))
    return caching_variant("layer_norm_backward", prelude, lanes, cached, CENTRED=centred)


def _line(binding: int, name: str, dtype: str | None, vectors: bool, value: float) -> str:
    """The loads of weight or bias, or a value in their place."""
    if dtype is not None:
        return fetch(binding, name, dtype, vectors)
    body = f"return vec4<f32>({value});"
    return f"fn fetch_{name}(base: u32, i: u32) -> vec4<f32> {{ {body} }}\n"


def _params(binding: int) -> str:
    return f"@group(0) @binding({binding}) var<uniform> params: Params;\n"


@cache
def sums_pipeline(dtypes: tuple[str, str], vectors: bool, bias: bool = True) -> Pipeline:
    """A variant of ``layer_norm_sums.wgsl`` over a matrix and the gradient of the result."""
    prelude = (
        declare_loads(0, "x", dtypes[0], vectors)
        + declare_loads(1, "g", dtypes[1], vectors)
        + "@group(0) @binding(2) var<storage, read> moments: array<vec2<f32>>;\n"
        + four_columns("x", vectors)
        + four_columns("g", vectors)
        + sums_bindings(3)
        + """
fn terms(r: u32, columns: vec4<u32>) -> Terms {
  let g = four_g(params.g_offset + r * params.columns, columns);
  let x = four_x(params.x_offset + r * params.columns, columns);
  return Terms(g * (x - vec4<f32>(moments[r].x)) * moments[r].y, g);
}
"""
    )
    return kernel("layer_norm_sums").variant(prelude=prelude, VECTORS=vectors, BIAS=bias)


@cache
def parts_pipeline(vectors: bool, bias: bool = True) -> Pipeline:
    """The variant of ``layer_norm_sums.wgsl`` that adds up its own parts."""
    prelude = (
        declare_loads(0, "part", "float32", vectors)
        + four_columns("part", vectors)
        + sums_bindings(1)
        + """
fn terms(r: u32, columns: vec4<u32>) -> Terms {
  let base = 2u * r * params.columns;
  return Terms(four_part(base, columns), four_part(base + params.columns, columns));
}
"""
    )
    return kernel("layer_norm_sums").variant(prelude=prelude, VECTORS=vectors, BIAS=bias)


def four_columns(name: str, vectors: bool) -> str:
    """``four_NAME(base, columns)``: elements of the row that starts at ``base``."""
    each = ", ".join(f"load_{name}_element(base + columns.{axis})" for axis in "xyzw")
    value = f"load_{name}_vector((base + columns.x) / 4u)" if vectors else f"vec4<f32>({each})"
    return f"fn four_{name}(base: u32, columns: vec4<u32>) -> vec4<f32> {{ return {value}; }}\n"


def sums_bindings(first: int) -> str:
    """The output and the params of ``layer_norm_sums.wgsl``."""
    return (
        f"@group(0) @binding({first}) var<storage, read_write> output: array<f32>;\n"
        f"@group(0) @binding({first + 1}) var<uniform> params: Params;\n"
    )


class LayerNorm:
    """The family's part of the backend."""

    layer_norm = staticmethod(layer_norm)
    layer_norm_backward = staticmethod(layer_norm_backward)
    layer_norm_sums = staticmethod(layer_norm_sums)
