"""Norms of gradients, measured on the GPU without waiting for it."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from rumus import gpu
from rumus.gpu import GpuArray, Pipeline
from rumus.optim._contract import NORM_BLOCK, NORM_EPS
from rumus.optim._gpu import shaders
from rumus.optim._gpu.arrays import aligned
from rumus.optim._gpu.flats import SLOT_BYTES, origin

MOST_GROUPS = 65535
"""Workgroups of a dispatch that every adapter runs; each takes further blocks beyond it."""
_BIG = 2.0**180
"""What the sum of squares of big elements is divided by, and that of small ones multiplied."""
_KINDS = {2.0: "squares", math.inf: "largest"}


class Control(GpuArray):
    """A pending scale that kernels take as it is: its first element.

    Attributes:
        covers: of how many gradients its second element says whether they are finite; of none if
            it is a scale and nothing else.
    """

    __slots__ = ("covers",)

    def __init__(self, array: GpuArray, covers: int = 0) -> None:
        super().__init__(array.storage, array.shape, array.strides, array.offset, array.dtype)
        self.covers = covers


@dataclass(slots=True)
class Range:
    """Gradients that lie next to each other, with nothing but zeros between."""

    array: GpuArray
    first: int
    """The first element in the storage, a multiple of 4."""
    count: int

    @property
    def blocks(self) -> int:
        """Partial results that it is measured in."""
        return -(-self.count // NORM_BLOCK)


def measure(
    arrays: Sequence[GpuArray], arenas: Collection[int], most: float, order: float
) -> GpuArray:
    """Scale, finiteness (1 or 0) and norm of gradients, on the device.

    Args:
        arrays: the gradients.
        arenas: ids of the storages that hold zeros between their slots.
        most: the norm to clip to.
        order: of the norm.
    """
    ranges = neighbours(arrays, arenas)
    control = gpu.empty((4,), np.float32, arrays[0].device_index)
    if order not in (2, math.inf):
        _measure(ranges, control, most, math.inf)
    _measure(ranges, control, most, order)
    return control


def _measure(ranges: Sequence[Range], control: GpuArray, most: float, order: float) -> None:
    """One pass over the gradients; for a norm of powers the control holds the largest element."""
    places = np.cumsum([0, *(r.blocks for r in ranges)]).tolist()
    partials = gpu.empty((max(places[-1], 1), 4), np.float32, control.device_index)
    kind = _KINDS.get(order, "powers")
    for part, place in zip(ranges, places, strict=False):
        arrays = [part.array, partials] + [control] * (kind == "powers")
        words = (part.first // 4, part.count, place, order)
        groups = min(MOST_GROUPS, part.blocks)
        _sums(kind, part.array.dtype == np.float16).dispatch(arrays, words, groups)
    fraction, exponent = math.frexp(min(most, sys.float_info.max))
    limit = (2 * fraction, exponent - 1)
    _finish(kind).dispatch([partials, control], (places[-1], order, *limit, NORM_EPS))


def block_squares(arrays: Sequence[GpuArray]) -> npt.NDArray[np.float64]:
    """The sums of squares of each array's blocks, on the host; waits for the device.

    Args:
        arrays: of one axis, contiguous, on one device; each begins at a multiple of 4.
    """
    ranges = [Range(a, a.offset, a.size) for a in arrays if a.size]
    places = np.cumsum([0, *(r.blocks for r in ranges)]).tolist()
    if not ranges:
        return np.zeros(0)
    partials = gpu.empty((places[-1], 4), np.float32, ranges[0].array.device_index)
    for part, place in zip(ranges, places, strict=False):
        words = (part.first // 4, part.count, place, 2.0)
        pipeline = _sums("squares", part.array.dtype == np.float16)
        pipeline.dispatch([part.array, partials], words, min(MOST_GROUPS, part.blocks))
    sums = gpu.to_host(partials).astype(np.float64)
    total = sums[:, 0] + sums[:, 1] * _BIG + sums[:, 2] / _BIG
    return np.where(np.isfinite(total), total, np.nan)


def neighbours(arrays: Iterable[GpuArray], arenas: Collection[int]) -> list[Range]:
    """Join gradients that are next to each other in an arena; others stand alone."""
    readable = [aligned(a) for a in arrays if a.size]
    ranges = _join(readable, arenas)
    if len(ranges) > 1:
        # In the order in which storages first come, so that sums do not depend on addresses.
        first: dict[int, int] = {}
        for position, array in enumerate(readable):
            first.setdefault(id(array.storage), position)
        readable.sort(key=lambda a: (first[id(a.storage)], a.offset))
        ranges = _join(readable, arenas)
    return ranges


def _join(arrays: Iterable[GpuArray], arenas: Collection[int]) -> list[Range]:
    ranges: list[Range] = []
    storage, first, expected = None, 0, -1
    for array in arrays:
        if array.storage is storage and array.offset == expected:
            ranges[-1].count = array.offset + array.size - first
        else:
            storage = array.storage if id(origin(array)) in arenas else None
            first = array.offset
            ranges.append(Range(array, first, array.size))
        end = array.offset + array.size
        step = SLOT_BYTES // array.dtype.itemsize
        expected = -(-end // step) * step
    return ranges


@cache
def _sums(kind: str, half: bool) -> Pipeline:
    prelude, word = shaders.words(half)
    prelude += shaders.text("norm_common.wgsl") + shaders.text(f"norm_{kind}.wgsl")
    return shaders.kernel("norm.wgsl").variant(prelude=prelude, Word=word)


@cache
def _finish(kind: str) -> Pipeline:
    return shaders.kernel("norm_finish.wgsl").variant(
        prelude=shaders.text("norm_common.wgsl"),
        LARGEST=kind == "largest",
        POWERS=kind == "powers",
    )
