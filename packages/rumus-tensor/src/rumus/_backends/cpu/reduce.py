"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from .movement import written
from .sums import total

Array = npt.NDArray[Any]


def reduce(op: str, a: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Sum, mean, product, maximum or minimum over axes."""
    with np.errstate(all="ignore"):
        if op == "max":
            return np.asarray(np.max(a, axis=axes, keepdims=keepdims))
        if op == "min":
            return np.asarray(np.min(a, axis=axes, keepdims=keepdims))
        if op == "prod":
            wide = np.float64 if a.dtype.kind == "f" else np.int32
            product = np.prod(a, axis=axes, keepdims=keepdims, dtype=wide)
            return np.asarray(product, a.dtype if a.dtype.kind == "f" else np.int32)
        if a.dtype.kind != "f":
            return np.asarray(np.sum(a, axis=axes, keepdims=keepdims, dtype=np.int32))
        result = total(a, axes, keepdims)
        if op == "mean":
            result = np.asarray(result / result.dtype.type(prod(a.shape[axis] for axis in axes)))
        return result.astype(a.dtype, order="C", copy=False)


def arg_reduce(op: str, a: Array, axis: int) -> Array:
    """Position of the first extreme."""
    find = np.argmax if op == "argmax" else np.argmin
    return np.asarray(find(a, axis=axis), dtype=np.int32)


class Reduce:
    """The family's part of the backend."""

    def reduce(
        self, op: str, a: Array, axes: Sequence[int], keepdims: bool, out: Array | None = None
    ) -> Array:
        result = reduce(op, a, tuple(axes), keepdims)
        return result if out is None else written(out, result)

    arg_reduce = staticmethod(arg_reduce)
