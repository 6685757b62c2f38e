"""The order of elements in rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def sort(a: Array, descending: bool = False, bits: int | None = None) -> tuple[Array, Array]:
    """Each row in order, and where its elements were; numbers of up to 16 bits by their digits."""
    keys = a.astype(np.uint16) if bits is not None and bits <= 16 else a
    if descending:  # what comes last of equal elements backwards comes first
        backwards = np.argsort(keys[:, ::-1], axis=1, kind="stable")[:, ::-1]
        order = a.shape[1] - 1 - backwards
    else:
        order = np.argsort(keys, axis=1, kind="stable")
    return np.take_along_axis(a, order, 1), order.astype(np.int32)


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
