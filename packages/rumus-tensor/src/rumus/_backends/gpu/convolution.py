"""Convolutions: the matrix products that they are, see ``convolution.wgsl``."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import product
from math import gcd, prod
from typing import Any, NamedTuple

from rumus._backends.contract.convolution import Pair, Slide
from rumus._core.dtypes import float32
from rumus.gpu import GpuArray, empty, full
from rumus.gpu._array import contiguous_strides

from .convolution_plan import Plan, Walk, forward_walk, gather_plan, kernel_of, weight_plan
from .convolution_source import PARAMS, convolution_pipeline
from .elementwise import elementwise
from .kernels import WORKGROUP, grid, remember
from .layout import Shape
from .matmul_chain import ProductChain
from .matmul_source import (
    A_OFFSET,
    B_OFFSET,
    BIAS_OFFSET,
    C_OFFSET,
    SPLITS,
    parts_pipeline,
)
from .movement import assign, contiguous, copy, view
from .reduce import reduce
from .resample import fold
from .wgsl import dtype_name

MOST_REMAINDERS = 16
"""Parts that the gradient of an input is made in, by the stride; with more, its columns are."""
_plans: dict[tuple[Any, ...], Plan] = {}


def convolution(
    x: GpuArray, weight: GpuArray, bias: GpuArray | None, slide: Slide, size: Pair
) -> GpuArray:
    """See ``Backend.convolution``."""
    x, weight, bias = contiguous(x), contiguous(weight), bias and contiguous(bias)
    result = empty((x.shape[0], weight.shape[0], *size), float32, x.device_index)
    if result.size:
        shape = slide.groups, weight.shape[0] // slide.groups, prod(weight.shape[1:])
        walk = forward_walk(x, slide, kernel_of(weight), size)
        _gather(_seen(weight, shape), True, x, bias, walk, result, result.offset, (1, 1))
    return _as(result, x)


def _seen(a: GpuArray, shape: Shape) -> GpuArray:
    """A contiguous array under another shape."""
    return GpuArray(a.storage, shape, contiguous_strides(shape), a.offset, a.dtype)


def convolution_input(
    grad: GpuArray, weight: GpuArray, bias: GpuArray | None, slide: Slide, size: Pair
) -> GpuArray:
    """See ``Backend.convolution_input``.

    The pixels of each remainder by the stride are a convolution of their own.
    """
    grad, bias = contiguous(grad), bias and contiguous(bias)
    if prod(slide.stride) > MOST_REMAINDERS and grad.size:
        return _as(_folded(grad, contiguous(weight), bias, slide, size), grad)
    channels = slide.groups * weight.shape[1]
    result = empty((grad.shape[0], channels, *size), float32, grad.device_index)
    if not result.size:
        return _as(result, grad)
    rows, columns = (_remainders(slide, size, kernel_of(weight), axis) for axis in (0, 1))
    if not grad.size or any(not r.taps for r in (*rows, *columns)):
        zeros = full(result.shape, 0, float32, grad.device_index)
        assign(result, zeros if bias is None else _with_bias(zeros, bias))
    for down, along in product(rows, columns):
        if grad.size and down.taps and along.taps:
            part = _turned_taps(weight, slide.groups, (down.cut, along.cut))
            walk = Walk(kernel_of(grad), *zip(down.walk, along.walk, strict=True))
            offset = result.offset + down.first * size[1] + along.first
            _gather(part, False, grad, bias, walk, result, offset, slide.stride)
    return _as(result, grad)


def _folded(
    grad: GpuArray, weight: GpuArray, bias: GpuArray | None, slide: Slide, size: Pair
) -> GpuArray:
    """The gradient of the input by way of its columns, which hardly overlap."""
    groups, places = slide.groups, kernel_of(grad)
    across = prod(weight.shape[1:])
    shape = grad.shape[0], groups * across, *places
    columns = empty(shape, float32, grad.device_index)
    lying = _seen(weight, (groups, grad.shape[1] // groups, across))
    walk = Walk(places, places, (1, 1), (0, 0), (1, 1), (1, 1))
    _gather(lying, False, grad, None, walk, columns, 0, (1, 1))
    columns = _seen(columns, (*shape[:2], prod(places)))
    result = fold(columns, slide, kernel_of(weight), places, size)
    return result if bias is None else _with_bias(result, bias)


def _with_bias(result: GpuArray, bias: GpuArray) -> GpuArray:
    lines = GpuArray(bias.storage, (bias.size, 1, 1), (1, 0, 0), bias.offset, bias.dtype)
    return elementwise("add", [result, lines])


class _Remainder(NamedTuple):
    """Every stride-th row, or column, of an input, from ``first`` on."""

    first: int
    cut: slice
    """The taps of the kernel that reach them."""
    taps: int
    walk: tuple[int, ...]
    """Pixels, step, start, taps and their step, in the gradient."""


@lru_cache(maxsize=4096)
def _remainders(slide: Slide, size: Pair, kernel: Pair, axis: int) -> tuple[_Remainder, ...]:
    stride, padding, dilation = (slide[field][axis] for field in (0, 1, 2))  # type: ignore[index]
    every = stride // gcd(stride, dilation)
    found = []
    for first in range(min(stride, size[axis])):
        meets = [t for t in range(kernel[axis]) if (first + padding - t * dilation) % stride == 0]
        begin = meets[0] if meets else 0
        start = (first + padding - begin * dilation) // stride
        pixels = -(-(size[axis] - first) // stride)
        walk = pixels, 1, start, len(meets), -every * dilation // stride
        found.append(_Remainder(first, slice(begin, kernel[axis], every), len(meets), walk))
    return tuple(found)


def _turned_taps(weight: GpuArray, groups: int, cut: tuple[slice, slice]) -> GpuArray:
    """The weight of (out channels, in channels, some taps) as (groups, out × taps, in)."""
    out, channels = weight.shape[:2]
    everything = slice(0, out, 1), slice(0, channels, 1)
    some = view(weight, (*everything, *cut))
    o, c, h, w = some.strides
    rows, columns = some.shape[2:]
    strides = out // groups * o, o, h, w, c
    each = GpuArray(
        some.storage,
        (groups, out // groups, rows, columns, channels),
        strides,
        some.offset,
        weight.dtype,
    )
    return _seen(contiguous(each), (groups, out // groups * rows * columns, channels))


def convolution_weight(
    x: GpuArray, grad: GpuArray, slide: Slide, kernel: Pair, out: GpuArray | None = None
) -> GpuArray:
    """See ``Backend.convolution_weight``; the sum over pixels is made in parts of fixed order."""
    x, grad = contiguous(x), contiguous(grad)
    shape = (grad.shape[1], x.shape[1] // slide.groups, *kernel)
    if not grad.size:
        result = full(shape, 0, float32, x.device_index)
        return result if out is None else _written(out, result)
    key = "weight", x.shape, grad.shape, slide, kernel, x.dtype.num, x.device_index
    plan = _plans.get(key) or remember(_plans, key, weight_plan(x, grad, slide, kernel))
    splits = plan.words[SPLITS]
    direct = out is not None and splits == 1 and out.dtype == float32 and out.is_contiguous
    direct = direct and out is not None and out.storage not in (x.storage, grad.storage)
    size = prod(shape)
    target = out if direct and out is not None else empty((splits, size), float32, x.device_index)
    variant = plan.variant
    pipeline = plan.pipeline
    if variant.c_vectors and target.offset % 4:
        pipeline = convolution_pipeline(variant._replace(c_vectors=False))
    words = list(plan.words)
    words[A_OFFSET], words[B_OFFSET], words[C_OFFSET] = grad.offset, x.offset, target.offset
    pipeline.dispatch([grad, x, target], PARAMS.pack(*words), plan.groups)
    if target is out:
        return out
    if splits > 1 and out is not None and out.is_contiguous:
        reduce("sum", target, (0,), False, _seen(out, (size,)))
        return out
    if splits > 1:
        target = reduce("sum", target, (0,), False)
    result = _seen(target, shape)
    return result if out is None else _written(out, result)


def _gather(
    weight: GpuArray,
    along_k: bool,
    source: GpuArray,
    bias: GpuArray | None,
    walk: Walk,
    result: GpuArray,
    offset: int,
    steps: Pair,
) -> None:
    """Multiply a weight by the gathered source.

    Args:
        weight: (groups, across, k) if it lies along k, else (groups, k, across); contiguous.
        along_k: which of the two.
        source: (images, channels, rows, columns), contiguous.
        bias: one number a channel of the result.
        walk: over the pixels of the result.
        result: (images, channels, rows, columns), contiguous.
        offset: of its first pixel.
        steps: from pixel to pixel in it.
    """
    key = (
        weight.shape, along_k, weight.offset & 3, source.shape, source.offset & 3,
        source.dtype.num, bias and bias.dtype.num, walk, result.shape, offset & 3, steps,
        source.device_index,
    )  # fmt: skip
    plan = _plans.get(key) or remember(
        _plans, key, gather_plan(weight, along_k, source, bias, walk, result, offset, steps)
    )
    if plan.turned:
        groups, across, k = weight.shape
        strides = across * k, 1, k
        weight = copy(
            GpuArray(weight.storage, (groups, k, across), strides, weight.offset, weight.dtype)
        )
    words = list(plan.words)
    words[A_OFFSET], words[B_OFFSET] = weight.offset, source.offset
    if words[SPLITS] == 1:
        words[C_OFFSET] = offset
        given = [weight, source, result]
        if bias is not None:
            words[BIAS_OFFSET] = bias.offset
            given.insert(2, bias)
        params = PARAMS.pack(*words)
        joins = plan.variant.c_vectors and not plan.variant.spread
        make = partial(convolution_pipeline, plan.variant)
        chain = partial(ProductChain.of, make, params, plan.groups, joins, result)
        plan.pipeline.dispatch(given, params, plan.groups, chain if steps == (1, 1) else None)
        return
    splits = words[SPLITS]
    parts = empty((splits, result.size), float32, source.device_index)
    plan.pipeline.dispatch([weight, source, parts], PARAMS.pack(*words), plan.groups)
    given = [parts, result] if bias is None else [parts, bias, result]
    pixels = prod(result.shape[2:])
    sizes = (
        result.size, splits, result.shape[1], offset, bias.offset if bias else 0, pixels,
    )  # fmt: skip
    adding = parts_pipeline("float32", bias and dtype_name(bias.dtype))
    adding.dispatch(given, sizes, grid(result.size, WORKGROUP, source.device_index))


def _as(result: GpuArray, like: GpuArray) -> GpuArray:
    return result if like.dtype == float32 else elementwise("cast", [result], like.dtype)


def _written(out: GpuArray, result: GpuArray) -> GpuArray:
    assign(out, result)
    return out


class Convolution:
    """The family's part of the backend."""

    convolution = staticmethod(convolution)
    convolution_input = staticmethod(convolution_input)
    convolution_weight = staticmethod(convolution_weight)
