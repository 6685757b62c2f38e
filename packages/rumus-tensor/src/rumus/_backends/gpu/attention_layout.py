"""How the arrays of attention lie, as its kernels are told."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from rumus._backends.contract.attention import AttentionRule
from rumus.gpu import GpuArray

from .attention_source import Given
from .layout import broadcast_strides
from .movement import copy
from .wgsl import dtype_name

Params = list[int | float]


class Scored(NamedTuple):
    """The mask and dropout, as a kernel that makes scores takes them."""

    mask: str | None
    arrays: list[GpuArray]
    places: Params
    numbers: Params


def scored_by(
    mask: GpuArray | None,
    state: GpuArray | None,
    rule: AttentionRule,
    q: GpuArray,
    k: GpuArray,
) -> Scored:
    """What a kernel is told of the mask, the scale and dropout, for scores of a shape."""
    arrays: list[GpuArray] = []
    places: Params = [0] * 5
    if mask is not None:
        shape = (*q.shape[:3], k.shape[2])
        mask = copy(mask) if min(mask.strides) < 0 else mask
        places = [mask.offset, *broadcast_strides(mask.shape, mask.strides, shape)]
        arrays.append(mask)
    if state is not None:
        places.append(state.offset)
        arrays.append(state)
    numbers: Params = [rule.scale, -inf]
    numbers += [rule.dropout, 1.0 / (1.0 - rule.dropout)] if state is not None else []
    return Scored(None if mask is None else dtype_name(mask.dtype), arrays, places, numbers)


def readable(array: GpuArray) -> GpuArray:
    """The array, or a copy of one whose heads do not lie in a row."""
    if min(array.strides) < 0 or (array.shape[3] > 1 and array.strides[3] != 1):
        return copy(array)
    return array


def given(array: GpuArray, size: int) -> Given:
    """How an array is read by tiles of a size."""
    fits = not vectors_fail(array)
    return Given(dtype_name(array.dtype), fits, fits and array.shape[3] == size)


def vectors_fail(array: GpuArray) -> bool:
    """Whether a row of a head may begin or end within a vector."""
    used = (step for step, n in zip(array.strides[:3], array.shape, strict=False) if n > 1)
    return bool(array.offset % 4 or array.shape[3] % 4 or any(step % 4 for step in used))


def operand(array: GpuArray) -> Params:
    """What a kernel is told of an array that it reads."""
    steps = (step if n > 1 else 0 for step, n in zip(array.strides, array.shape, strict=True))
    batch, head, row, _ = steps
    return [array.offset, batch, head, row, array.shape[2], array.shape[3]]


def target(array: GpuArray) -> Params:
    """What a kernel is told of an array that it writes."""
    return [array.offset, *array.strides[:3], array.shape[3]]
