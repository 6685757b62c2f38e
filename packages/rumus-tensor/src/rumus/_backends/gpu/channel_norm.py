"""Normalisation of channels: statistics in one pass, gradients in two."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

from rumus._backends.contract.channel_norm import Running
from rumus._core.dtypes import float32
from rumus.gpu import GpuArray, empty, full, zeros

from .channel_norm_source import (
    backward_pipeline,
    column_moments_pipeline,
    column_sums_pipeline,
    join_moments_pipeline,
    join_sums_pipeline,
    row_moments_pipeline,
    row_sums_pipeline,
)
from .kernels import WORKGROUP, grid, most_groups, plane
from .layer_norm import halves, places_of_sums
from .movement import contiguous, copy
from .reduce_layout import ENOUGH_GROUPS, LONG_SHARE, split
from .wgsl import dtype_name

SIDE = 16
"""Statistics of a workgroup of ``channel_moments_join.wgsl`` and ``channel_sums_join.wgsl``."""
STRIP = 32
"""Columns of a workgroup of the kernels for columns."""
_LEAST_SHARE = 128
"""Rows of a workgroup of these: fewer are not worth a second pass."""
_SHORT = 16
"""Lengths below it: statistics of a batch are then taken down the columns."""


class _Parts(NamedTuple):
    """How partial results of ``size`` rows or columns lie, and which belong to a statistic.

    Part j of statistic k is number ``split * size + i * i_step + k * k_step`` where
    ``j = split * each + i``.
    """

    splits: int
    each: int
    size: int
    i_step: int
    k_step: int

    @property
    def words(self) -> tuple[int, int, int, int, int]:
        """As the joining kernels take them."""
        return self.splits * self.each, self.each, self.size, self.i_step, self.k_step


def channel_moments(a: GpuArray, groups: int, eps: float, running: Running | None) -> GpuArray:
    """See ``Backend.channel_moments``."""
    a = contiguous(a)
    samples, channels, length = a.shape
    statistics = samples * groups if groups else channels
    if not a.size:
        return full((2, statistics), nan, float32, a.device_index)
    moments = empty((2, statistics), float32, a.device_index)
    dtype = dtype_name(a.dtype)
    if not groups and length < _SHORT:
        partial, parts, share = _column_moments(a)
        whole = samples
    else:
        rows = samples * (groups or channels)
        whole = channels // groups * length if groups else length
        lanes, share, splits, cells = _row_layout(rows, whole, a.device_index)
        final = bool(groups) and splits == 1
        partial = moments if final else empty((splits, rows, 2), float32, a.device_index)
        vectors = whole % 4 == 0 and a.offset % 4 == 0
        pipeline = row_moments_pipeline(dtype, vectors, lanes, final)
        pipeline.dispatch([a, partial], (rows, whole, share, a.offset, float(eps)), cells)
        if final:
            return moments
        parts = (
            _Parts(splits, 1, rows, 0, 1) if groups else _Parts(splits, samples, rows, channels, 1)
        )
    _join_moments(partial, parts, whole, share, moments, eps, running)
    return moments


def _lanes(loads: int, rows: int) -> int:
    """Invocations for a row of so many loads: a power of two up to 256.

    Eight at least read neighbours together; more, until each has fewer than 16 loads to itself or,
    where there are too few rows to fill the GPU, than 8.
    """
    lanes = 1
    while lanes < WORKGROUP and lanes * 4 <= loads:
        if lanes >= 8 and lanes * 16 > loads and rows * lanes >= ENOUGH_GROUPS * WORKGROUP // 4:
            break
        lanes *= 2
    return lanes


def _row_layout(rows: int, length: int, index: int) -> tuple[int, int, int, tuple[int, int, int]]:
    """Invocations a row, the length of its parts, their number, and the workgroups."""
    lanes = _lanes(length if length % 4 else length // 4, rows)
    groups = -(-rows * lanes // WORKGROUP)
    splits, share = split(length, groups, 4 * lanes * LONG_SHARE, most_groups(index))
    return lanes, share, splits, (*plane(groups, index), splits)


def _column_layout(a: GpuArray) -> tuple[int, int, int, int, tuple[int, int, int]]:
    """Columns, strips of them, the rows of a part, the parts, and the workgroups."""
    columns = a.shape[1] * a.shape[2]
    strips = -(-columns // STRIP)
    splits, share = split(a.shape[0], strips, _LEAST_SHARE, most_groups(a.device_index))
    return columns, strips, share, splits, (*plane(strips, a.device_index), splits)


def _column_moments(a: GpuArray) -> tuple[GpuArray, _Parts, int]:
    columns, strips, share, splits, cells = _column_layout(a)
    partial = empty((splits, columns, 2), float32, a.device_index)
    vectors = columns % 4 == 0 and a.offset % 4 == 0
    pipeline = column_moments_pipeline(dtype_name(a.dtype), vectors)
    pipeline.dispatch([a, partial], (a.shape[0], columns, share, strips, a.offset), cells)
    return partial, _Parts(splits, a.shape[2], columns, 1, a.shape[2]), share


def _join_moments(
    partial: GpuArray,
    parts: _Parts,
    length: int,
    share: int,
    moments: GpuArray,
    eps: float,
    running: Running | None,
) -> None:
    statistics = moments.shape[1]
    arrays, offsets, momentum = [partial, moments], [0, 0, 0], 0.0
    if running is not None:
        followers = [running.mean, running.var, running.count]
        places = [a for a in followers if isinstance(a, GpuArray)]
        arrays += places
        offsets[: len(places)] = [a.offset for a in places]
        momentum = float(running.momentum)
    tracked = running is not None and running.count is not None
    words = (statistics, *parts.words, length, share, *offsets, float(eps), momentum)
    join_moments_pipeline(running is not None, tracked).dispatch(
        arrays, words, plane(-(-statistics // SIDE), moments.device_index)
    )


def channel_norm_backward(
    a: GpuArray,
    moments: GpuArray,
    weight: GpuArray | None,
    grad: GpuArray,
    groups: int,
    eps: float,
    needs: tuple[bool, bool],
    out: GpuArray | None,
    bias_out: GpuArray | None,
) -> tuple[GpuArray | None, GpuArray | None, GpuArray | None]:
    """See ``Backend.channel_norm_backward``."""
    samples, channels = a.shape[:2]
    if not a.size:
        nothing = halves(zeros((2, channels), float32, a.device_index))
        return zeros(a.shape, float32, a.device_index), *nothing
    a, grad = contiguous(a), contiguous(grad)
    weight = None if weight is None else contiguous(weight)
    partial, parts = _partial_sums(a, moments, grad, groups)
    pairs = places_of_sums(out, bias_out, channels, (a, grad))
    if needs[1] or not groups:
        _join_sums(partial, parts, *pairs, None, channels)
    lines = pairs if needs[1] else (None, None)
    if not needs[0]:
        return None, *lines
    if groups:
        each = channels // groups
        by_group = _Parts(parts.splits, each, parts.size, 1, each)
        pairs = halves(empty((2, samples * groups), float32, a.device_index))
        _join_sums(partial, by_group, *pairs, weight, groups)
    return _into_input(a, moments, weight, grad, groups, pairs), *lines


def _partial_sums(
    a: GpuArray, moments: GpuArray, grad: GpuArray, groups: int
) -> tuple[GpuArray, _Parts]:
    """The sums of the gradient alone and with the normalised input, and where they lie."""
    samples, channels, length = a.shape
    dtypes = dtype_name(a.dtype), dtype_name(grad.dtype)
    if not groups and length < _SHORT:
        columns, strips, share, splits, cells = _column_layout(a)
        partial = empty((splits, 2, columns), float32, a.device_index)
        vectors = not (columns % 4 or a.offset % 4 or grad.offset % 4)
        pipeline = column_sums_pipeline(dtypes, vectors, length)
        pipeline.dispatch(
            [a, grad, moments, partial],
            (samples, columns, share, strips, a.offset, grad.offset, 0, columns),
            cells,
        )
        return partial, _Parts(splits, length, columns, 1, length)
    rows = samples * channels
    lanes, share, splits, cells = _row_layout(rows, length, a.device_index)
    partial = empty((splits, 2, rows), float32, a.device_index)
    vectors = not (length % 4 or a.offset % 4 or grad.offset % 4)
    each = channels // groups if groups else 1
    words = rows, length, share, moments.shape[1], each, a.offset, grad.offset
    pipeline = row_sums_pipeline(dtypes, vectors, lanes, not groups)
    pipeline.dispatch([a, grad, moments, partial], words, cells)
    return partial, _Parts(splits, samples, rows, channels, 1)


def _join_sums(
    partial: GpuArray,
    parts: _Parts,
    dots: GpuArray,
    sums: GpuArray,
    weight: GpuArray | None,
    groups: int,
) -> None:
    """Add up the parts of each statistic, those of a channel times its weight."""
    statistics = dots.size
    arrays = [partial, dots] if weight is None else [partial, weight, dots]
    offset = 0 if weight is None else weight.offset
    words = statistics, *parts.words, groups, offset, dots.offset, sums.offset
    dtype = None if weight is None else dtype_name(weight.dtype)
    join_sums_pipeline(dtype).dispatch(
        arrays, words, plane(-(-statistics // SIDE), dots.device_index)
    )


def _into_input(
    a: GpuArray,
    moments: GpuArray,
    weight: GpuArray | None,
    grad: GpuArray,
    groups: int,
    pairs: tuple[GpuArray, GpuArray],
) -> GpuArray:
    samples, channels, length = a.shape
    a, grad = _on_vector(a), _on_vector(grad)
    result = empty(a.shape, float32, a.device_index)
    dots, sums = pairs
    count = channels // groups * length if groups else samples * length
    words = (
        a.size, length, channels, moments.shape[1], channels // groups if groups else 1,
        a.offset, grad.offset, 0 if weight is None else weight.offset, dots.offset, sums.offset,
        1.0 / count,
    )  # fmt: skip
    dtypes = dtype_name(a.dtype), dtype_name(grad.dtype)
    kind = None if weight is None else dtype_name(weight.dtype)
    pipeline = backward_pipeline(dtypes, kind, not groups, length % 4 == 0, length < 4)
    arrays = [a, grad, moments, dots, result, *(() if weight is None else (weight,))]
    pipeline.dispatch(arrays, words, grid(-(-a.size // 4), WORKGROUP, a.device_index))
    return result


def _on_vector(a: GpuArray) -> GpuArray:
    """The array, or a copy that begins on a vector."""
    return copy(a) if a.offset % 4 else a


class ChannelNorm:
    """The family's part of the backend."""

    channel_moments = staticmethod(channel_moments)
    channel_norm_backward = staticmethod(channel_norm_backward)
