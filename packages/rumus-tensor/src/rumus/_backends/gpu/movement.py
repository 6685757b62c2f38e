"""Moving elements: contiguous copies, transposes, writing into views, joining and padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rumus._backends.contract import Scalar
from rumus.gpu import GpuArray, empty, zeros

from .elementwise import elementwise, updated, write, writes_whole_words
from .kernels import kernel, plane, remember, shares
from .layout import Shape, Strides, broadcast_strides, collapse, reshaped_strides

TILE = 32
"""Edge of the square that a workgroup of ``transpose.wgsl`` turns."""
WIDE = {"float16": np.dtype(np.float32), "uint8": np.dtype(np.int32), "bool": np.dtype(np.int32)}


class _Transpose(NamedTuple):
    groups: tuple[int, int]
    words: tuple[int, ...]


_transposes: dict[tuple[Shape, Strides], _Transpose | None] = {}


def copy(a: GpuArray) -> GpuArray:
    """A contiguous copy."""
    key = a.shape, a.strides
    if key not in _transposes:
        remember(_transposes, key, _plan_transpose(a.shape, a.strides, a.device_index))
    plan = _transposes[key]
    if plan is None or a.dtype.itemsize != 4:
        return elementwise("cast", [a], a.dtype)
    output = empty(a.shape, a.dtype, a.device_index)
    kernel("transpose").variant().dispatch([a, output], (*plan.words, a.offset), plan.groups)
    return output


def contiguous(a: GpuArray) -> GpuArray:
    """The array itself, or a contiguous copy."""
    return a if a.is_contiguous else copy(a)


def assign(target: GpuArray, value: GpuArray) -> None:
    """Write a value of the same shape into a view."""
    if shares(target, value):
        value = copy(value)
    if writes_whole_words(target, value):
        write(value, target)
        return
    # Single bytes and halves of words cannot be stored without a race: the whole storage takes
    # a detour through 4-byte elements.
    if value.dtype != target.dtype:
        value = elementwise("cast", [value], target.dtype)
    words = -(-target.storage.nbytes // 16) * 16 // target.dtype.itemsize
    everything = GpuArray(target.storage, (words,), (1,), 0, target.dtype)
    wide = elementwise("cast", [everything], WIDE[str(target.dtype)])
    write(value, GpuArray(wide.storage, target.shape, target.strides, target.offset, wide.dtype))
    write(wide, everything)


def cat(arrays: Sequence[GpuArray], axis: int) -> GpuArray:
    """Join along an axis."""
    first = arrays[0]
    shape = list(first.shape)
    shape[axis] = sum(a.shape[axis] for a in arrays)
    output = empty(tuple(shape), first.dtype, first.device_index)
    views, start = [], 0
    for a in arrays:
        offset = start * output.strides[axis]
        views.append(GpuArray(output.storage, a.shape, output.strides, offset, output.dtype))
        start += a.shape[axis]
    pairs = [(a, view) for a, view in zip(arrays, views, strict=True) if a.size]
    if not all(writes_whole_words(view, a) for a, view in pairs):
        wide = WIDE[str(first.dtype)]
        return elementwise(
            "cast", [cat([elementwise("cast", [a], wide) for a in arrays], axis)], first.dtype
        )
    for a, view in pairs:
        write(a, view)
    return output


def pad(a: GpuArray, shape: Shape, index: Sequence[slice]) -> GpuArray:
    """Zeros that hold ``a`` at ``index``."""
    output = zeros(shape, a.dtype, a.device_index)
    if a.size:
        assign(view(output, index), a)
    return output


def view(a: GpuArray, index: Sequence[slice]) -> GpuArray:
    """Cut every axis by a resolved slice."""
    lengths = tuple(len(range(s.start, s.stop, s.step)) for s in index)
    strides = tuple(stride * s.step for stride, s in zip(a.strides, index, strict=True))
    start = sum(
        s.start * stride
        for s, stride, length in zip(index, a.strides, lengths, strict=True)
        if length
    )
    return GpuArray(a.storage, lengths, strides, a.offset + start, a.dtype)


def _plan_transpose(shape: Shape, strides: Strides, device_index: int) -> _Transpose | None:
    """The tiles of a batch of large 2-D transposes, or None for any other layout."""
    dims, (steps,) = collapse(shape, [strides])
    if len(dims) not in (2, 3) or steps[-2] != 1 or min(dims[-2:]) < TILE // 2:
        return None
    rows, columns = dims[-2:]
    batch, batch_step = (dims[0], steps[0]) if len(dims) == 3 else (1, 0)
    down, across = -(-rows // TILE), -(-columns // TILE)
    groups = plane(down * across * batch, device_index)
    return _Transpose(groups, (rows, columns, down, across, batch, batch_step, steps[-1]))


class Movement:
    """The family's part of the backend."""

    def reshape(self, a: GpuArray, shape: Shape) -> GpuArray:
        if a.shape == shape:
            return a
        strides = reshaped_strides(a.shape, a.strides, shape)
        if strides is None:
            return self.reshape(copy(a), shape)
        return GpuArray(a.storage, shape, strides, a.offset, a.dtype)

    def permute(self, a: GpuArray, axes: Sequence[int]) -> GpuArray:
        shape = tuple(a.shape[axis] for axis in axes)
        strides = tuple(a.strides[axis] for axis in axes)
        return GpuArray(a.storage, shape, strides, a.offset, a.dtype)

    def expand(self, a: GpuArray, shape: Shape) -> GpuArray:
        strides = broadcast_strides(a.shape, a.strides, shape)
        return GpuArray(a.storage, shape, strides, a.offset, a.dtype)

    slice = staticmethod(view)
    shares = staticmethod(shares)
    copy = staticmethod(copy)
    contiguous = staticmethod(contiguous)
    cat = staticmethod(cat)
    pad = staticmethod(pad)
    assign = staticmethod(assign)

    def update(self, op: str, target: GpuArray, other: GpuArray | Scalar) -> None:
        if not updated(op, target, other):
            assign(target, elementwise(op, (target, other)))
