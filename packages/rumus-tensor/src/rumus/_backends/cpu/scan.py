"""Combinations of all elements up to each one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_UFUNCS: dict[str, np.ufunc] = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "logaddexp": np.logaddexp,
}


def scan(op: str, a: Array, axis: int, reverse: bool = False) -> Array:
    """One after the other; sums of floats in float64, which long ones need."""
    if reverse:
        return np.flip(scan(op, np.flip(a, axis), axis), axis)
    dtype: Any = a.dtype
    if a.dtype.kind != "f":
        dtype = np.int32 if op in ("sum", "prod") else a.dtype
    elif op in ("sum", "logaddexp"):
        dtype = np.float64
    elif op == "prod":
        dtype = np.float32
    with np.errstate(all="ignore"):
        result = np.asarray(_UFUNCS[op].accumulate(a, axis=axis, dtype=dtype))
        return result if a.dtype.kind != "f" else result.astype(a.dtype, copy=False)


class Scan:
    """The family's part of the backend."""

    scan = staticmethod(scan)
