"""The order of elements in rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def sort(
    a: Array, descending: bool = False, bits: int | None = None, first: int | None = None
) -> tuple[Array, Array]:
    """Each row in order, and where its elements were.

    Sorted are numbers of 64 bits, an element's rank above its column. They are all different, so
    that numpy's fastest sort is stable.
    """
    ranks = _ranks(a)
    if descending:
        np.invert(ranks, out=ranks)
    ranks <<= 32
    ranks += np.arange(a.shape[1])
    if first is not None and first < a.shape[1]:
        if first:
            ranks.partition(first - 1, axis=1)
        ranks = ranks[:, :first]
    ranks.sort(axis=1)
    columns = ranks.astype(np.int32)
    return np.take_along_axis(a, columns, 1), columns


def _ranks(a: Array) -> Array:
    """int64 numbers below 2**31 in size, in the order of the elements."""
    if a.dtype.kind != "f":
        return a.astype(np.int64)
    with np.errstate(all="ignore"):
        bits = (a.astype(np.float32, copy=False) + np.float32(0)).view(np.int32)  # -0 becomes 0
    ranks = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64)
    np.copyto(ranks, 2**31 - 1, where=np.isnan(a))
    return ranks


def search(edges: Array, values: Array, right: bool) -> Array:
    """How many edges are below each value, or not above it."""
    if len(edges) == 1:
        side: Any = "right" if right else "left"
        return np.searchsorted(edges[0], values, side).astype(np.int32)
    low = np.zeros(values.shape, np.intp)
    high = np.full(values.shape, edges.shape[1])
    for _ in range(edges.shape[1].bit_length()):
        middle = (low + high) // 2
        edge = np.take_along_axis(edges, np.minimum(middle, edges.shape[1] - 1), 1)
        is_below = ~_less(values, edge) if right else _less(edge, values)
        is_below &= low < high
        low = np.where(is_below, middle + 1, low)
        high = np.where(is_below, high, middle)
    return low.astype(np.int32)


def _less(a: Array, b: Array) -> Array:
    """Whether a is before b in numpy's order, where NaN comes last."""
    return np.asarray((a < b) | ((b != b) & (a == a)))


class Sort:
    """The family's part of the backend."""

    sort = staticmethod(sort)
    search = staticmethod(search)
