"""Clipping on the GPU: norms that stay there, and clamping."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from rumus import gpu
from rumus.autograd import ParamId
from rumus.gpu import GpuArray, Pipeline
from rumus.nn import Parameter
from rumus.optim import _shaders
from rumus.optim._clip import EPS
from rumus.optim._gpu_flats import SLOT_BYTES, find_flats, origin
from rumus.optim._gpu_step import Control
from rumus.optim._rooms import aligned, view
from rumus.tensor import Slot, Tensor

MOST_GROUPS = 1024
_VECTORS_A_GROUP = 1024
_KINDS = {2.0: "squares", math.inf: "largest"}


@dataclass(slots=True)
class Range:
    """Gradients that lie next to each other, with nothing but zeros between."""

    array: GpuArray
    first: int
    """The first element in the storage, a multiple of 4."""
    count: int

    @property
    def groups(self) -> int:
        """Workgroups to measure it with."""
        return min(MOST_GROUPS, -(-self.count // (4 * _VECTORS_A_GROUP)))


def device_norm(
    gradients: Mapping[Parameter, Tensor], most: float, order: float
) -> tuple[Tensor, GpuArray]:
    """The norm as a scalar on the device, and the array that a store is scaled by."""
    slots = [p.slot for p in gradients]
    arenas = {id(s.arena.grads.storage) for s in slots if isinstance(s, Slot)}
    arrays = [g.array for g in gradients.values()]
    control = Control(measure(arrays, arenas, most, order), len(arrays))
    return Tensor.from_array(view(control, (), 2)), control


def clamp(gradients: Mapping[ParamId, Tensor], limit: float) -> dict[ParamId, Tensor]:
    """Gradients between ``-limit`` and ``limit``, those that share a buffer at once."""
    clamped: dict[ParamId, Tensor] = {}
    for flat in find_flats(gradients):
        clamped |= flat.views(flat.whole.clamp(-limit, limit))
    for id, grad in gradients.items():
        if id not in clamped:
            clamped[id] = grad.clamp(-limit, limit)
    return clamped


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
    places = np.cumsum([0, *(r.groups for r in ranges)]).tolist()
    partials = gpu.empty((max(places[-1], 1), 4), np.float32, control.device_index)
    kind = _KINDS.get(order, "powers")
    for part, place in zip(ranges, places, strict=False):
        arrays = [part.array, partials] + [control] * (kind == "powers")
        words = (part.first // 4, part.count, place, order)
        _sums(kind, part.array.dtype == np.float16).dispatch(arrays, words, part.groups)
    _finish(kind).dispatch([partials, control], (places[-1], order, most, EPS))


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
    prelude, word = _shaders.words(half)
    prelude += _shaders.text("norm_common.wgsl") + _shaders.text(f"norm_{kind}.wgsl")
    return _shaders.kernel("norm.wgsl").variant(prelude=prelude, Word=word)


@cache
def _finish(kind: str) -> Pipeline:
    return _shaders.kernel("norm_finish.wgsl").variant(
        prelude=_shaders.text("norm_common.wgsl"),
        LARGEST=kind == "largest",
        POWERS=kind == "powers",
    )
