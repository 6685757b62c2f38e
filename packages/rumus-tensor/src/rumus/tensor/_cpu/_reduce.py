"""Reductions over axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def reduce(op: str, a: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Sum, mean, maximum or minimum over axes."""
    with np.errstate(all="ignore"):
        if op == "max":
            return np.asarray(np.max(a, axis=axes, keepdims=keepdims))
        if op == "min":
            return np.asarray(np.min(a, axis=axes, keepdims=keepdims))
        accumulator = np.float32 if a.dtype.kind == "f" else np.int32
        total = np.asarray(np.sum(a, axis=axes, keepdims=keepdims, dtype=accumulator))
        if op == "mean":
            count = np.prod([a.shape[axis] for axis in axes], dtype=np.float32)
            total = np.asarray(total / count)
        return total.astype(a.dtype, copy=False) if a.dtype.kind == "f" else total


def arg_reduce(op: str, a: Array, axis: int) -> Array:
    """Position of the first extreme."""
    find = np.argmax if op == "argmax" else np.argmin
    return np.asarray(find(a, axis=axis), dtype=np.int32)
