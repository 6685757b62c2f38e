"""Softmax and cross-entropy over the rows of a matrix."""

from __future__ import annotations

from functools import cache
from math import inf

from rumus.gpu import GpuArray, Kernel, Pipeline, empty
from rumus.tensor._elementwise import DType, float32, int32
from rumus.tensor._errors import ArgumentError

from .elementwise_plan import elementwise
from .kernels import WORKGROUP, kernel, plane
from .movement import contiguous
from .unroll import unroll
from .wgsl import declare_loads, read_shader

MOST_CACHED = 8
"""Vectors of a row that an invocation keeps in registers."""
_OUTSIDE = (
    "cross_entropy_loss: target[{0}] is {1}, outside the classes of the logits "
    "(-2147483648 stands for a float that is no whole number)"
)


def softmax(a: GpuArray, log: bool) -> GpuArray:
    """See ``Backend.softmax``."""
    a, dtype = contiguous(a), a.dtype
    rows, columns = a.shape
    y = empty(a.shape, float32, a.device_index)
    if y.size:
        lanes, cached = lanes_and_cache(columns)
        pipeline = softmax_pipeline(str(dtype), _aligned(a), lanes, cached, log)
        pipeline.dispatch(
            [a, y], (rows, columns, a.offset, -inf), _groups(rows, lanes, a.device_index)
        )
    return _as(y, dtype)


def softmax_backward(y: GpuArray, grad: GpuArray, log: bool) -> GpuArray:
    """See ``Backend.softmax_backward``."""
    y, grad, dtype = contiguous(y), contiguous(grad), y.dtype
    rows, columns = y.shape
    result = empty(y.shape, float32, y.device_index)
    if result.size:
        lanes, cached = lanes_and_cache(columns)
        pipeline = softmax_backward_pipeline(
            (str(dtype), str(grad.dtype)), _aligned(y, grad), lanes, cached, log
        )
        words = rows, columns, y.offset, grad.offset
        pipeline.dispatch([y, grad, result], words, _groups(rows, lanes, y.device_index))
    return _as(result, dtype)


def cross_entropy(
    logits: GpuArray, target: GpuArray, ignore_index: int, smoothing: float
) -> GpuArray:
    """See ``Backend.cross_entropy``."""
    logits, target = contiguous(logits), contiguous(_as(target, int32))
    rows, columns = logits.shape
    loss = empty((rows,), float32, logits.device_index)
    if rows:
        lanes, _ = lanes_and_cache(columns)
        pipeline = cross_entropy_pipeline(
            str(logits.dtype), _aligned(logits), lanes, smoothing != 0.0
        )
        words = rows, columns, logits.offset, target.offset, ignore_index, float(smoothing), -inf
        pipeline.dispatch([logits, target, loss], words, _groups(rows, lanes, logits.device_index))
    return loss


def mean_of_kept(losses: GpuArray, target: GpuArray, ignore_index: int) -> GpuArray:
    """See ``Backend.mean_of_kept``."""
    losses, target = contiguous(losses), contiguous(_as(target, int32))
    result = empty((2,), float32, losses.device_index)
    words = losses.size, losses.offset, target.offset, ignore_index
    kernel("mean_of_kept").variant().dispatch([losses, target, result], words)
    return result


def cross_entropy_backward(
    logits: GpuArray, target: GpuArray, grad: GpuArray, ignore_index: int, smoothing: float
) -> GpuArray:
    """See ``Backend.cross_entropy_backward``; ``grad`` may be broadcast."""
    logits, target = contiguous(logits), contiguous(_as(target, int32))
    grad, dtype = _as(grad, float32), logits.dtype
    rows, columns = logits.shape
    result = empty(logits.shape, float32, logits.device_index)
    if result.size:
        lanes, _ = lanes_and_cache(columns)
        pipeline = cross_entropy_backward_pipeline(str(dtype), _aligned(logits), lanes)
        offsets = logits.offset, target.offset, grad.offset, grad.strides[0]
        words = rows, columns, *offsets, ignore_index, float(smoothing), -inf
        pipeline.dispatch(
            [logits, target, grad, result], words, _groups(rows, lanes, logits.device_index)
        )
    return _as(result, dtype)


def lanes_and_cache(columns: int) -> tuple[int, int]:
    """Invocations a row, a power of two, and the vectors that each keeps: 0 if too many."""
    vectors = -(-columns // 4)
    lanes = 1
    while lanes < WORKGROUP and lanes * 4 < vectors:
        lanes *= 2
    each = -(-vectors // lanes)
    return lanes, each if each <= MOST_CACHED else 0


@cache
def softmax_pipeline(dtype: str, vectors: bool, lanes: int, cached: int, log: bool) -> Pipeline:
    """A variant of ``softmax.wgsl``."""
    prelude = _fetch(0, "x", dtype, vectors) + _store(1, vectors)
    return _row_kernel("softmax", max(cached, 1)).variant(
        prelude=prelude, LANES=lanes, CACHE=max(cached, 1), CACHED=cached > 0, LOG=log
    )


@cache
def softmax_backward_pipeline(
    dtypes: tuple[str, str], vectors: bool, lanes: int, cached: int, log: bool
) -> Pipeline:
    """A variant of ``softmax_backward.wgsl``, for the dtypes of the output and of its gradient."""
    prelude = _fetch(0, "y", dtypes[0], vectors) + _fetch(1, "g", dtypes[1], vectors)
    prelude += _store(2, vectors)
    return _row_kernel("softmax_backward", max(cached, 1)).variant(
        prelude=prelude, LANES=lanes, CACHE=max(cached, 1), CACHED=cached > 0, LOG=log
    )


@cache
def cross_entropy_pipeline(dtype: str, vectors: bool, lanes: int, smoothing: bool) -> Pipeline:
    """A variant of ``cross_entropy.wgsl``."""
    return _row_kernel("cross_entropy").variant(
        prelude=_fetch(0, "x", dtype, vectors), LANES=lanes, SMOOTHING=smoothing
    )


@cache
def cross_entropy_backward_pipeline(dtype: str, vectors: bool, lanes: int) -> Pipeline:
    """A variant of ``cross_entropy_backward.wgsl``."""
    prelude = _fetch(0, "x", dtype, vectors) + _store(3, vectors)
    return _row_kernel("cross_entropy_backward").variant(prelude=prelude, LANES=lanes)


@cache
def _row_kernel(name: str, cached: int = 1) -> Kernel:
    text = unroll(read_shader("rows.wgsl") + read_shader(f"{name}.wgsl"), {"CACHE": cached})
    fault = (_OUTSIDE, ArgumentError) if name == "cross_entropy" else None
    return Kernel(text, name=name, fault=fault, trusted=True)


def _fetch(binding: int, name: str, dtype: str, vectors: bool) -> str:
    """``fetch_NAME(base, i)``: vector i of the row that starts at ``base``."""
    if vectors:
        body = f"return load_{name}_vector(base / 4u + i);"
    else:
        body = (
            "let e = vec4<u32>(base) + min(vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u), "
            "vec4<u32>(params.columns - 1u)); return vec4<f32>("
            + ", ".join(f"load_{name}_element(e.{axis})" for axis in "xyzw")
            + ");"
        )
    return (
        declare_loads(binding, name, dtype, vectors)
        + f"fn fetch_{name}(base: u32, i: u32) -> vec4<f32> {{ {body} }}\n"
    )


def _store(binding: int, vectors: bool) -> str:
    """``store_row(row, i, v)``: vector i of a row of the contiguous float32 output."""
    if vectors:
        words, body = "vec4<f32>", "output[row * params.columns / 4u + i] = v;"
    else:
        words = "f32"
        body = " ".join(
            f"if (4u * i + {j}u < params.columns) "
            f"{{ output[row * params.columns + 4u * i + {j}u] = v[{j}]; }}"
            for j in range(4)
        )
    return (
        f"@group(0) @binding({binding}) var<storage, read_write> output: array<{words}>;\n"
        f"fn store_row(row: u32, i: u32, v: vec4<f32>) {{ {body} }}\n"
    )


def _aligned(*arrays: GpuArray) -> bool:
    return not any(a.shape[1] % 4 or a.offset % 4 for a in arrays)


def _groups(rows: int, lanes: int, device_index: int) -> tuple[int, int]:
    return plane(-(-rows * lanes // WORKGROUP), device_index)


def _as(a: GpuArray, dtype: DType) -> GpuArray:
    return a if a.dtype == dtype else elementwise("cast", [a], dtype)
