"""Pooling of planes: one invocation a window, or a place, see ``pooling.wgsl``."""

from __future__ import annotations

from functools import cache
from math import inf, prod
from typing import NamedTuple

from rumus._backends.contract.convolution import Pair
from rumus._backends.contract.pooling import Windows
from rumus._core.dtypes import float32, int32
from rumus.gpu import GpuArray, Kernel, Pipeline, empty

from .elementwise import elementwise
from .elementwise_source import declare_params
from .kernels import LARGEST_QUOTIENT, WORKGROUP, grid, kernel, reciprocal
from .movement import contiguous
from .wgsl import declare_element_output, declare_elements, dtype_name, read_shader

_FIELDS = [
    *(
        f"{name}: u32"
        for name in "count offset places_offset each each_inverse line line_inverse".split()
    ),
    "lowest: f32",
    *(f"{name}: i32" for name in "height width rows columns padding_h padding_w divisor".split()),
]


def max_pool(x: GpuArray, windows: Windows) -> tuple[GpuArray, GpuArray]:
    """See ``Backend.max_pool``."""
    x = contiguous(x)
    shape = (*x.shape[:2], *windows.size)
    values, places = (empty(shape, dtype, x.device_index) for dtype in (float32, int32))
    _run("forward", True, [x, values, places], windows, x.shape, values, x.offset)
    return _as(values, x), places


def max_pool_backward(grad: GpuArray, places: GpuArray, windows: Windows, size: Pair) -> GpuArray:
    """See ``Backend.max_pool_backward``."""
    grad, places = contiguous(grad), contiguous(places)
    total = empty((*grad.shape[:2], *size), float32, grad.device_index)
    arrays = [grad, places, total]
    _run("backward", True, arrays, windows, total.shape, total, grad.offset, places.offset)
    return total


def avg_pool(x: GpuArray, windows: Windows) -> GpuArray:
    """See ``Backend.avg_pool``."""
    x = contiguous(x)
    means = empty((*x.shape[:2], *windows.size), float32, x.device_index)
    _run("forward", False, [x, means], windows, x.shape, means, x.offset)
    return _as(means, x)


def avg_pool_backward(grad: GpuArray, windows: Windows, size: Pair) -> GpuArray:
    """See ``Backend.avg_pool_backward``."""
    grad = contiguous(grad)
    total = empty((*grad.shape[:2], *size), float32, grad.device_index)
    _run("backward", False, [grad, total], windows, total.shape, total, grad.offset)
    return total


def at_places(x: GpuArray, places: GpuArray, windows: Windows) -> GpuArray:
    """See ``Backend.at_places``."""
    x, places = contiguous(x), contiguous(places)
    found = empty(places.shape, float32, x.device_index)
    if found.size:
        words = found.size, x.offset, places.offset, prod(places.shape[2:]), prod(x.shape[2:])
        groups = grid(found.size, WORKGROUP, x.device_index)
        places_pipeline(dtype_name(x.dtype)).dispatch([x, places, found], words, groups)
    return _as(found, x)


def _run(
    kind: str,
    largest: bool,
    arrays: list[GpuArray],
    windows: Windows,
    planes: tuple[int, ...],
    result: GpuArray,
    offset: int,
    places_offset: int = 0,
) -> None:
    if not result.size:
        return
    each, line = prod(result.shape[2:]), result.shape[3]
    huge = max(prod(result.shape[:2]), result.shape[2]) >= LARGEST_QUOTIENT
    shape = Shape(
        windows.kernel, windows.stride, windows.dilation, windows.adaptive, windows.include_padding
    )
    pipeline = pool_pipeline(kind, largest, dtype_name(arrays[0].dtype), shape, huge)
    quotients = each, reciprocal(each), line, reciprocal(line)
    axes = *planes[2:], *windows.size, *windows.padding
    words = result.size, offset, places_offset, *quotients, -inf, *axes, windows.divisor
    pipeline.dispatch(arrays, words, grid(result.size, WORKGROUP, result.device_index))


class Shape(NamedTuple):
    """What of windows is known when the kernel is compiled, for division by it is then cheap."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    adaptive: bool
    include_padding: bool


@cache
def pool_pipeline(kind: str, largest: bool, dtype: str, shape: Shape, huge: bool) -> Pipeline:
    """A variant of ``pooling_forward.wgsl`` or ``pooling_backward.wgsl``."""
    if kind == "forward":
        prelude = declare_elements(0, "x", dtype) + declare_element_output(1, "output", "float32")
        prelude += declare_element_output(2, "places", "int32") if largest else _NO_PLACES
    else:
        prelude = declare_elements(0, "g", dtype)
        prelude += declare_elements(1, "places", "int32") if largest else _NO_PLACES
        prelude += declare_element_output(2 if largest else 1, "output", "float32")
    prelude += declare_params(prelude.count("@binding"), _FIELDS)
    sizes = {
        f"{name}_{axis}": number
        for name, pair in (
            ("KERNEL", shape.kernel), ("STRIDE", shape.stride), ("DILATION", shape.dilation)
        )
        for axis, number in zip("HW", pair, strict=True)
    }  # fmt: skip
    return _pool_kernel(kind).variant(
        prelude=prelude,
        MAX=largest,
        ADAPTIVE=shape.adaptive,
        INCLUDE_PADDING=shape.include_padding,
        HUGE_QUOTIENTS=huge,
        **sizes,
    )


_NO_PLACES = """
fn places_store(e: u32, place: i32) {}
fn places_element(e: u32) -> i32 { return 0; }
"""


@cache
def _pool_kernel(kind: str) -> Kernel:
    names = "quotient", "pooling", f"pooling_{kind}"
    text = "".join(read_shader(f"{name}.wgsl") for name in names)
    return Kernel(text, name=f"pooling_{kind}", trusted=True)


@cache
def places_pipeline(dtype: str) -> Pipeline:
    """The variant of ``pooling_places.wgsl`` for a dtype."""
    fields = ["count: u32", "offset: u32", "places_offset: u32", "places: u32", "plane: u32"]
    prelude = (
        declare_elements(0, "x", dtype)
        + declare_elements(1, "places", "int32")
        + declare_element_output(2, "output", "float32")
        + declare_params(3, fields)
    )
    return kernel("pooling_places").variant(prelude=prelude)


def _as(result: GpuArray, like: GpuArray) -> GpuArray:
    return result if like.dtype == float32 else elementwise("cast", [result], like.dtype)


class Pooling:
    """The family's part of the backend."""

    max_pool = staticmethod(max_pool)
    max_pool_backward = staticmethod(max_pool_backward)
    at_places = staticmethod(at_places)
    avg_pool = staticmethod(avg_pool)
    avg_pool_backward = staticmethod(avg_pool_backward)
