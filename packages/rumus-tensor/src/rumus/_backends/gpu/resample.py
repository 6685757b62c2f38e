"""Resampling along an axis, and windows as columns: one invocation an element."""

from __future__ import annotations

from functools import cache
from math import prod

from rumus._backends.bands import Band
from rumus._backends.contract.convolution import Pair, Slide
from rumus._core.dtypes import float32
from rumus.gpu import GpuArray, Pipeline, empty, from_host, outside_capture, persist

from .elementwise import elementwise
from .elementwise_source import declare_params
from .kernels import WORKGROUP, grid, kernel, remember
from .movement import contiguous
from .wgsl import declare_element_output, declare_elements, dtype_name

_bands: dict[tuple[int, int], tuple[Band, GpuArray, GpuArray]] = {}
"""The tables of bands, by device and identity; each keeps its band, and so its identity."""
_SLIDE = (
    "count offset channels height width rows columns kernel_h kernel_w stride_h stride_w padding_h "
    "padding_w dilation_h dilation_w"
).split()


def resample(a: GpuArray, axis: int, band: Band) -> GpuArray:
    """See ``Backend.resample``."""
    a = contiguous(a)
    shape = (*a.shape[:axis], band.count, *a.shape[axis + 1 :])
    result = empty(shape, float32, a.device_index)
    if result.size:
        starts, weights = _tables(band, a.device_index)
        words = result.size, a.offset, band.length, band.count, prod(shape[axis + 1 :]), band.reach
        groups = grid(result.size, WORKGROUP, a.device_index)
        resample_pipeline(dtype_name(a.dtype)).dispatch([a, starts, weights, result], words, groups)
    return _as(result, a)


def _tables(band: Band, index: int) -> tuple[GpuArray, GpuArray]:
    key = index, id(band)
    found = _bands.get(key)
    if found is None:
        with outside_capture():
            starts, weights = (
                persist(from_host(host, index)) for host in (band.starts, band.weights)
            )
        found = remember(_bands, key, (band, starts, weights))
    return found[1], found[2]


def unfold(x: GpuArray, slide: Slide, kernel: Pair, size: Pair) -> GpuArray:
    """See ``Backend.unfold``."""
    x = contiguous(x)
    shape = (x.shape[0], x.shape[1] * prod(kernel), prod(size))
    result = empty(shape, float32, x.device_index)
    _slide(False, x, result, slide, kernel, size, (x.shape[2], x.shape[3]), x.shape[1])
    return _as(result, x)


def fold(columns: GpuArray, slide: Slide, kernel: Pair, size: Pair, plane: Pair) -> GpuArray:
    """See ``Backend.fold``."""
    columns = contiguous(columns)
    channels = columns.shape[1] // prod(kernel)
    result = empty((columns.shape[0], channels, *plane), float32, columns.device_index)
    _slide(True, columns, result, slide, kernel, size, plane, channels)
    return _as(result, columns)


def _slide(
    folds: bool,
    given: GpuArray,
    result: GpuArray,
    slide: Slide,
    kernel: Pair,
    size: Pair,
    plane: Pair,
    channels: int,
) -> None:
    if result.size:
        pairs = plane, size, kernel, slide.stride, slide.padding, slide.dilation
        axes = [number for pair in pairs for number in pair]
        words = result.size, given.offset, channels, *axes
        groups = grid(result.size, WORKGROUP, given.device_index)
        unfold_pipeline(dtype_name(given.dtype), folds).dispatch([given, result], words, groups)


@cache
def resample_pipeline(dtype: str) -> Pipeline:
    """The variant of ``resample.wgsl`` for a dtype."""
    names = "count", "offset", "length", "places", "inner", "reach"
    prelude = (
        declare_elements(0, "x", dtype)
        + declare_elements(1, "starts", "int32")
        + declare_elements(2, "weights", "float32")
        + declare_element_output(3, "output", "float32")
        + declare_params(4, [f"{name}: u32" for name in names])
    )
    return kernel("resample").variant(prelude=prelude)


@cache
def unfold_pipeline(dtype: str, folds: bool) -> Pipeline:
    """A variant of ``unfold.wgsl``."""
    prelude = (
        declare_elements(0, "x", dtype)
        + declare_element_output(1, "output", "float32")
        + declare_params(
            2, [f"{name}: u32" for name in _SLIDE[:2]] + [f"{n}: i32" for n in _SLIDE[2:]]
        )
    )
    return kernel("unfold").variant(prelude=prelude, FOLDS=folds)


def _as(result: GpuArray, like: GpuArray) -> GpuArray:
    return result if like.dtype == float32 else elementwise("cast", [result], like.dtype)


class Resample:
    """The family's part of the backend."""

    resample = staticmethod(resample)
    unfold = staticmethod(unfold)
    fold = staticmethod(fold)
