"""Reductions over axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_BLOCK = 256  # rows


def reduce(op: str, a: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Sum, mean, maximum or minimum over axes."""
    with np.errstate(all="ignore"):
        if op == "max":
            return np.asarray(np.max(a, axis=axes, keepdims=keepdims))
        if op == "min":
            return np.asarray(np.min(a, axis=axes, keepdims=keepdims))
        total = _sum(a, axes, keepdims)
        if op == "mean":
            count = np.prod([a.shape[axis] for axis in axes], dtype=np.float32)
            total = np.asarray(total / count)
        return total.astype(a.dtype, copy=False) if a.dtype.kind == "f" else total


def _sum(a: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Sums in float32 or int32.

    Over any axis but the last numpy adds one row after the other, which loses digits; block sums of
    a long axis, added up, keep them at the same speed.
    """
    if a.dtype.kind != "f":
        return np.asarray(np.sum(a, axis=axes, keepdims=keepdims, dtype=np.int32))
    if len(axes) == 1 and axes[0] < a.ndim - 1 and a.shape[axes[0]] > 2 * _BLOCK:
        (axis,) = axes
        whole = a.shape[axis] // _BLOCK * _BLOCK
        head, tail = np.split(a, [whole], axis)
        blocks = head.reshape(*a.shape[:axis], -1, _BLOCK, *a.shape[axis + 1 :])
        parts = np.sum(blocks, axis=axis + 1, dtype=np.float32)
        a = np.concatenate([parts, np.sum(tail, axis=axis, keepdims=True, dtype=np.float32)], axis)
    return np.asarray(np.sum(a, axis=axes, keepdims=keepdims, dtype=np.float32))


def arg_reduce(op: str, a: Array, axis: int) -> Array:
    """Position of the first extreme."""
    find = np.argmax if op == "argmax" else np.argmin
    return np.asarray(find(a, axis=axis), dtype=np.int32)
