"""Softmax and cross-entropy over the rows of a matrix."""

from __future__ import annotations

from functools import cache
from math import inf

from rumus._core.dtypes import float32, int32
from rumus._core.errors import ArgumentError
from rumus.gpu import GpuArray, Pipeline, empty

from .kernels import kernel
from .movement import contiguous
from .row_source import (
    aligned,
    as_dtype,
    caching_variant,
    fetch,
    lanes_and_cache,
    row_groups,
    store,
)
from .wgsl import dtype_name, math_source


def _outside(row: int, id: int) -> str:
    if id == -(1 << 31):
        return f"cross_entropy_loss: target[{row}] is a float that is no whole number"
    return f"cross_entropy_loss: target[{row}] is {id}, outside the classes of the logits"


def softmax(a: GpuArray, log: bool) -> GpuArray:
    """See ``Backend.softmax``."""
    a, dtype = contiguous(a), a.dtype
    rows, columns = a.shape
    y = empty(a.shape, float32, a.device_index)
    if y.size:
        lanes, cached = lanes_and_cache(columns)
        pipeline = softmax_pipeline(dtype_name(dtype), aligned(a), lanes, cached, log)
        pipeline.dispatch(
            [a, y], (rows, columns, a.offset, -inf), row_groups(rows, lanes, a.device_index)
        )
    return as_dtype(y, dtype)


def softmax_backward(y: GpuArray, grad: GpuArray, log: bool) -> GpuArray:
    """See ``Backend.softmax_backward``."""
    y, grad, dtype = contiguous(y), contiguous(grad), y.dtype
    rows, columns = y.shape
    result = empty(y.shape, float32, y.device_index)
    if result.size:
        lanes, cached = lanes_and_cache(columns)
        pipeline = softmax_backward_pipeline(
            (dtype_name(dtype), dtype_name(grad.dtype)), aligned(y, grad), lanes, cached, log
        )
        words = rows, columns, y.offset, grad.offset
        pipeline.dispatch([y, grad, result], words, row_groups(rows, lanes, y.device_index))
    return as_dtype(result, dtype)


def cross_entropy(
    logits: GpuArray, target: GpuArray, ignore_index: int, smoothing: float
) -> GpuArray:
    """See ``Backend.cross_entropy``."""
    logits, target = contiguous(logits), contiguous(as_dtype(target, int32))
    rows, columns = logits.shape
    loss = empty((rows,), float32, logits.device_index)
    if rows:
        lanes, cached = lanes_and_cache(columns)
        pipeline = cross_entropy_pipeline(
            dtype_name(logits.dtype), aligned(logits), lanes, cached, smoothing != 0.0
        )
        words = rows, columns, logits.offset, target.offset, ignore_index, float(smoothing), -inf
        pipeline.dispatch(
            [logits, target, loss], words, row_groups(rows, lanes, logits.device_index)
        )
    return loss


def mean_of_kept(losses: GpuArray, target: GpuArray, ignore_index: int) -> GpuArray:
    """See ``Backend.mean_of_kept``."""
    losses, target = contiguous(losses), contiguous(as_dtype(target, int32))
    result = empty((2,), float32, losses.device_index)
    words = losses.size, losses.offset, target.offset, ignore_index
    kernel("mean_of_kept").variant().dispatch([losses, target, result], words)
    return result


def cross_entropy_backward(
    logits: GpuArray, target: GpuArray, grad: GpuArray, ignore_index: int, smoothing: float
) -> GpuArray:
    """See ``Backend.cross_entropy_backward``; ``grad`` may be broadcast."""
    logits, target = contiguous(logits), contiguous(as_dtype(target, int32))
    grad, dtype = as_dtype(grad, float32), logits.dtype
    rows, columns = logits.shape
    result = empty(logits.shape, float32, logits.device_index)
    if result.size:
        lanes, cached = lanes_and_cache(columns)
        pipeline = cross_entropy_backward_pipeline(
            dtype_name(dtype), aligned(logits), lanes, cached
        )
        offsets = logits.offset, target.offset, grad.offset, grad.strides[0]
        words = rows, columns, *offsets, ignore_index, float(smoothing), -inf
        pipeline.dispatch(
            [logits, target, grad, result], words, row_groups(rows, lanes, logits.device_index)
        )
    return as_dtype(result, dtype)


@cache
def softmax_pipeline(dtype: str, vectors: bool, lanes: int, cached: int, log: bool) -> Pipeline:
    """A variant of ``softmax.wgsl``."""
    prelude = _math() + fetch(0, "x", dtype, vectors) + store(1, vectors)
    return caching_variant("softmax", prelude, lanes, cached, LOG=log)


@cache
def softmax_backward_pipeline(
    dtypes: tuple[str, str], vectors: bool, lanes: int, cached: int, log: bool
) -> Pipeline:
    """A variant of ``softmax_backward.wgsl``, for the dtypes of the output and of its gradient."""
    prelude = _math() + fetch(0, "y", dtypes[0], vectors) + fetch(1, "g", dtypes[1], vectors)
    prelude += store(2, vectors)
    return caching_variant("softmax_backward", prelude, lanes, cached, LOG=log)


@cache
def cross_entropy_pipeline(
    dtype: str, vectors: bool, lanes: int, cached: int, smoothing: bool
) -> Pipeline:
    """A variant of ``cross_entropy.wgsl``."""
    prelude = _math() + fetch(0, "x", dtype, vectors)
    fault = _outside, ArgumentError
    return caching_variant("cross_entropy", prelude, lanes, cached, fault, SMOOTHING=smoothing)


@cache
def cross_entropy_backward_pipeline(dtype: str, vectors: bool, lanes: int, cached: int) -> Pipeline:
    """A variant of ``cross_entropy_backward.wgsl``."""
    prelude = _math() + fetch(0, "x", dtype, vectors) + store(3, vectors)
    return caching_variant("cross_entropy_backward", prelude, lanes, cached)


def _math() -> str:
    return math_source("math", "exponential")


class Rows:
    """The family's part of the backend."""

    softmax = staticmethod(softmax)
    softmax_backward = staticmethod(softmax_backward)
    cross_entropy = staticmethod(cross_entropy)
    mean_of_kept = staticmethod(mean_of_kept)
    cross_entropy_backward = staticmethod(cross_entropy_backward)
