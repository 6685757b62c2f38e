"""Pooling, tap by tap: each is a strided view of the plane, for the windows that have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus._backends.contract.convolution import Pair, Slide
from rumus._backends.contract.pooling import Windows
from rumus._core.pool import in_parallel
from rumus._core.threads import threads_for

from .select import kept

Array = npt.NDArray[Any]
Index = slice | Array

_BLOCKS = 32
"""Blocks of images, at most."""
_COST = 8
"""Multiplications of a matrix product that take as long as one tap of one window."""


class _Tap(NamedTuple):
    """One tap along one axis: the windows that have a place there, and these places."""

    windows: Index
    places: Index
    positions: Array
    """The places as numbers."""


def max_pool(x: Array, windows: Windows) -> tuple[Array, Array]:
    """See ``Backend.max_pool``."""
    values = np.empty((*x.shape[:2], *windows.size), x.dtype)
    places = np.empty(values.shape, np.int32)
    size = pair(x)
    rows, columns = (list(_axis_taps(windows, size, axis)) for axis in (0, 1))
    first_rows, first_columns = (_first_places(windows, size, axis) for axis in (0, 1))

    def run(images: slice) -> None:
        some = x[images]
        best = np.full((*some.shape[:3], windows.size[1]), -np.inf, x.dtype)
        at = np.empty(best.shape, np.int32)
        at[...] = first_columns
        _take_greatest(some, None, columns, 3, 1, (best, at))
        values[images] = -np.inf
        places[images] = at[:, :, first_rows] + first_rows[:, None] * size[1]
        _take_greatest(best, at, rows, 2, size[1], (values[images], places[images]))

    _by_images(run, len(x), values.size * (len(rows) + len(columns)))
    return values, places


def _take_greatest(
    given: Array,
    at: Array | None,
    taps: list[_Tap],
    axis: int,
    step: int,
    into: tuple[Array, Array],
) -> None:
    """Let each window along an axis have its greatest element, the first of equal ones, and NaN.

    Args:
        given: what the windows go over.
        at: where its elements come from; None for the numbers along the axis.
        taps: of the windows.
        axis: of the four.
        step: places from a number along the axis to the next.
        into: the greatest so far, and their places.
    """
    best, places = into
    before = (slice(None),) * axis
    for tap in taps:
        some, out = given[(*before, tap.places)], (*before, tap.windows)
        numbers = (tap.positions * step).astype(np.int32).reshape(-1, *(1,) * (3 - axis))
        if at is not None:
            numbers = numbers + at[(*before, tap.places)]
        with np.errstate(invalid="ignore"):
            better = np.greater(some, best[out])
            better |= np.isnan(some)
            best[out] = np.maximum(best[out], some)
        change = numbers ^ places[out]
        change &= -better.view(np.int8).astype(np.int32)
        places[out] ^= change


def max_pool_backward(grad: Array, places: Array, windows: Windows, size: Pair) -> Array:
    """See ``Backend.max_pool_backward``."""
    total = np.zeros((*grad.shape[:2], *size), np.float32)
    if not windows.adaptive and not any(
        map(_overlap, windows.kernel, windows.dilation, windows.stride)
    ):
        _by_images(
            lambda images: _scatter(grad[images], places[images], total[images]),
            len(grad),
            2 * grad.size,
        )
        return total
    taps = list(_taps(windows, size))

    def run(images: slice) -> None:
        for out, given, flat in taps:
            parts = kept(places[images][out] == flat, grad[images][out].astype(np.float32))
            _add(total[images], given, parts, windows, size)

    _by_images(run, len(grad), grad.size * len(taps))
    return total


def _overlap(kernel: int, dilation: int, stride: int) -> bool:
    """Whether windows share places along an axis."""
    return stride <= (kernel - 1) * dilation


def _scatter(grad: Array, places: Array, total: Array) -> None:
    """Give each place of the planes the gradient of its window."""
    planes = np.arange(grad.shape[0] * grad.shape[1]) * (total.shape[2] * total.shape[3])
    total.reshape(-1)[(places.reshape(len(planes), -1) + planes[:, None]).reshape(-1)] = (
        grad.reshape(-1)
    )


def at_places(x: Array, places: Array, windows: Windows) -> Array:
    """See ``Backend.at_places``."""
    lines = x.reshape(*x.shape[:2], -1)
    flat = places.reshape(*places.shape[:2], -1)
    return np.take_along_axis(lines, flat, axis=2).reshape(places.shape)


def avg_pool(x: Array, windows: Windows) -> Array:
    """See ``Backend.avg_pool``."""
    total = np.zeros((*x.shape[:2], *windows.size), np.float32)
    taps = list(_taps(windows, pair(x)))
    divisors = _divisors(windows, pair(x))

    def run(images: slice) -> None:
        with np.errstate(all="ignore"):
            for out, given, _ in taps:
                total[images][out] += x[images][given]
            total[images] /= divisors

    _by_images(run, len(x), total.size * len(taps))
    return total.astype(x.dtype, copy=False)


def avg_pool_backward(grad: Array, windows: Windows, size: Pair) -> Array:
    """See ``Backend.avg_pool_backward``."""
    total = np.zeros((*grad.shape[:2], *size), np.float32)
    taps = list(_taps(windows, size))
    divisors = _divisors(windows, size)

    def run(images: slice) -> None:
        with np.errstate(all="ignore"):
            shares = grad[images] / divisors
            for out, given, _ in taps:
                _add(total[images], given, shares[out], windows, size)

    _by_images(run, len(grad), grad.size * len(taps))
    return total


def _by_images(run: Callable[[slice], None], images: int, work: int) -> None:
    """Have images taken block by block, on as many threads as that is worth."""
    step = max(1, -(-images // _BLOCKS))
    blocks = [slice(i, i + step) for i in range(0, images, step)]
    in_parallel(lambda number: run(blocks[number]), len(blocks), threads_for(work * _COST))


def pair(a: Array) -> Pair:
    """The last two lengths."""
    return a.shape[-2], a.shape[-1]


def _add(total: Array, given: tuple[Any, ...], parts: Array, windows: Windows, size: Pair) -> None:
    """Add to places, which adaptive windows of a small plane have several times."""
    if windows.adaptive and (windows.size[0] > size[0] or windows.size[1] > size[1]):
        np.add.at(total, given, parts)
    else:
        total[given] += parts


def _taps(windows: Windows, size: Pair) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...], Array]]:
    """For each tap: its windows, its places in the plane, and these as numbers."""
    everything = slice(None)
    columns = list(_axis_taps(windows, size, 1))
    for row in _axis_taps(windows, size, 0):
        for column in columns:
            flat = row.positions[:, None] * size[1] + column.positions
            if windows.adaptive:
                out = np.ix_(row.windows, column.windows)  # type: ignore[arg-type]
                given = np.ix_(row.places, column.places)  # type: ignore[arg-type]
                yield (everything, everything, *out), (everything, everything, *given), flat
            else:
                out_of = (everything, everything, row.windows, column.windows)
                given_of = (everything, everything, row.places, column.places)
                yield out_of, given_of, flat


def taps_of(
    slide: Slide, kernel: Pair, size: Pair, plane: Pair
) -> Iterator[tuple[Pair, tuple[Any, ...], tuple[Any, ...]]]:
    """For each tap of a kernel: the places of the result where it meets the plane, and where."""
    everything = slice(None)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            row, column = (
                _met(tap * slide.dilation[axis] - slide.padding[axis], slide.stride[axis],
                     size[axis], plane[axis])
                for axis, tap in enumerate((i, j))
            )  # fmt: skip
            if row is not None and column is not None:
                yield (
                    (i, j),
                    (everything, everything, row[0], column[0]),
                    (everything, everything, row[1], column[1]),
                )


def _met(first: int, stride: int, count: int, length: int) -> tuple[slice, slice] | None:
    """The windows that a tap has a place for, and the places, of windows from ``first`` on."""
    begin = max(0, -(first // stride))
    end = min(count, (length - 1 - first) // stride + 1)
    if begin >= end:
        return None
    return slice(begin, end), slice(first + begin * stride, first + (end - 1) * stride + 1, stride)


def _axis_taps(windows: Windows, size: Pair, axis: int) -> Iterator[_Tap]:
    starts, ends = _bounds(windows, size, axis)
    if windows.adaptive:
        for tap in range(int((ends - starts).max(initial=0))):
            some = np.flatnonzero(starts + tap < ends)
            yield _Tap(some, starts[some] + tap, starts[some] + tap)
        return
    for tap in range(windows.kernel[axis]):
        first = tap * windows.dilation[axis] - windows.padding[axis]
        met = _met(first, windows.stride[axis], windows.size[axis], size[axis])
        if met is not None:
            at = met[1]
            yield _Tap(*met, np.arange(at.start, at.stop, at.step))


def _bounds(windows: Windows, size: Pair, axis: int) -> tuple[Array, Array]:
    """Where windows begin and end, padding included."""
    numbers, length, count = np.arange(windows.size[axis]), size[axis], windows.size[axis]
    if windows.adaptive:
        return numbers * length // count, -((numbers + 1) * -length // count)
    starts = numbers * windows.stride[axis] - windows.padding[axis]
    return starts, starts + (windows.kernel[axis] - 1) * windows.dilation[axis] + 1


def _first_places(windows: Windows, size: Pair, axis: int) -> Array:
    """The first place of each window, along an axis, that lies in the plane, or the last one."""
    starts, _ = _bounds(windows, size, axis)
    step = windows.dilation[axis]
    first = np.where(starts < 0, starts + -(starts // step) * step, starts)
    return np.minimum(first, size[axis] - 1)


def _divisors(windows: Windows, size: Pair) -> Array:
    """What the sum of each window is divided by."""
    if windows.divisor:
        return np.full(windows.size, windows.divisor, np.float32)
    counts = []
    for axis in (0, 1):
        starts, ends = _bounds(windows, size, axis)
        padding = windows.padding[axis] if windows.include_padding else 0
        counts.append(np.minimum(ends, size[axis] + padding) - np.maximum(starts, -padding))
    return np.asarray(counts[0][:, None] * counts[1], np.float32)


class Pooling:
    """The family's part of the backend."""

    max_pool = staticmethod(max_pool)
    max_pool_backward = staticmethod(max_pool_backward)
    at_places = staticmethod(at_places)
    avg_pool = staticmethod(avg_pool)
    avg_pool_backward = staticmethod(avg_pool_backward)
