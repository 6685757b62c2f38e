"""Elements by their positions along the middle axis of a 3-D array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._core.dtypes import float32, int32, is_float
from rumus._core.errors import IndexRangeError
from rumus._core.indexing import out_of_range

from .movement import assign

Array = npt.NDArray[Any]
NARROW = 1 << 16
"""Positions that numpy sorts by counting."""


def wrapped(index: Array, length: int, name: str, wrap: bool = True) -> Array:
    """Positions counted from the front, if all are inside of the axis."""
    if not index.size:
        return index
    lowest, highest = int(index.min()), int(index.max())
    if lowest < (-length if wrap else 0) or highest >= length:
        raise IndexRangeError(out_of_range(name, highest if highest >= length else lowest, length))
    return np.where(index < 0, index + np.int32(length), index) if lowest < 0 else index


def positions(
    index: Array, length: int, name: str, wrap: bool = True, before: Array | None = None
) -> Array:
    """Where an index points in row-major order."""
    outer, _, inner = index.shape
    rows = wrapped(index, length, name, wrap)
    if before is not None:
        return np.asarray(before * np.int32(length) + rows, np.int32)
    if outer == inner == 1:
        return np.array(rows, np.int32)
    starts = np.arange(outer, dtype=np.int32)[:, None, None] * np.int32(length)
    flat = (starts + rows) * np.int32(inner) + np.arange(inner, dtype=np.int32)
    return np.asarray(flat, np.int32)


def gather(a: Array, index: Array, name: str, wrap: bool = True) -> Array:
    """Elements by position."""
    rows = wrapped(index, a.shape[1], name, wrap)
    if rows.shape[0] == rows.shape[2] == 1:
        return a.take(rows.reshape(-1), axis=1)
    return np.take_along_axis(a, rows.astype(np.intp), axis=1)


def put(target: Array, index: Array, values: Array, name: str, wrap: bool = True) -> None:
    """Write by position; numpy writes in row-major order, so the last one stays."""
    rows = wrapped(index, target.shape[1], name, wrap)
    cast = np.empty(values.shape, target.dtype)
    assign(cast, values)
    if rows.shape[0] == rows.shape[2] == 1:
        target[:, rows.reshape(-1)] = cast
    else:
        outer, inner = np.ogrid[: values.shape[0], : values.shape[2]]
        target[outer[:, :, None], rows, inner[:, None]] = cast


def sum_at(
    values: Array,
    index: Array,
    length: int,
    name: str,
    skip: int | None = None,
    out: Array | None = None,
) -> Array:
    """Sums of equal positions, in pairs after a stable sort."""
    outer, _, inner = values.shape
    dtype = float32 if is_float(values.dtype) else int32
    if out is None or out.dtype != dtype:
        out = np.empty((outer, length, inner), dtype)
    out[...] = 0
    if not values.size:
        return out
    if index.shape[0] == index.shape[2] == 1:
        keys = wrapped(index, length, name).reshape(-1)
        sums = out if outer == 1 else np.zeros((1, length, outer * inner), dtype)
        rows = values.transpose(1, 0, 2).reshape(len(keys), outer * inner)
        _add_runs(sums[0], rows, keys, skip)
        if sums is not out:
            out[...] = sums.reshape(length, outer, inner).transpose(1, 0, 2)
        return out
    whole = np.broadcast_to(index, values.shape)
    keys = positions(whole, length, name).reshape(-1)
    _add_runs(out.reshape(-1, 1), values.reshape(-1, 1), keys, None)
    return out


def _add_runs(sums: Array, rows: Array, keys: Array, skip: int | None) -> None:
    """Sum rows of equal keys into zeros: neighbours in pairs, until each key has one row left."""
    if rows.shape[1] == 1 and sums.dtype == float32 and skip is None:
        total = np.bincount(keys, rows[:, 0], len(sums))
        with np.errstate(all="ignore"):
            sums[:, 0] = total
        return
    order = np.argsort(keys.astype(np.uint16) if len(sums) <= NARROW else keys, kind="stable")
    keys = keys[order]
    if skip is not None:
        kept = keys != skip
        order, keys = order[kept], keys[kept]
    left = rows[order].astype(sums.dtype, copy=False)
    with np.errstate(all="ignore"):
        while len(keys) > 1:
            is_first = np.append(True, keys[1:] != keys[:-1])
            if is_first.all():
                break
            first = np.flatnonzero(is_first)
            lengths = np.diff(np.append(first, len(keys)))
            rank = np.arange(len(keys)) - np.repeat(first, lengths)
            even = np.flatnonzero(rank % 2 == 0)
            paired = np.append(rank, 0)[even + 1] % 2 == 1
            sums_of_two = left[even]
            sums_of_two[paired] += left[even[paired] + 1]
            left, keys = sums_of_two, keys[even]
    sums[keys] = left


class Indexing:
    """The family's part of the backend."""

    positions = staticmethod(positions)
    gather = staticmethod(gather)
    put = staticmethod(put)
    sum_at = staticmethod(sum_at)

    def iota(self, length: int) -> Array:
        return np.arange(length, dtype=np.int32)

    def flat_nonzero(self, a: Array) -> Array:
        return np.flatnonzero(a).astype(np.int32)
