"""Bytes of an element that belong to no value, and hold whatever was in memory before."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

# x86 keeps 80 bits in 12 or 16 bytes
_EXTENDED_BYTES = 10 if np.finfo(np.longdouble).nmant == 63 else np.dtype(np.longdouble).itemsize


def padding_of(dtype: np.dtype[Any]) -> npt.NDArray[np.intp]:
    """The places of an element's padding: gaps of structured dtypes, the rest of long doubles."""
    if dtype.names is None and dtype.char not in "gG":
        return np.empty(0, np.intp)
    return np.flatnonzero(~_valued(dtype))


def _valued(dtype: np.dtype[Any]) -> npt.NDArray[np.bool_]:
    """Which bytes of an element belong to a value."""
    if dtype.shape:
        return np.tile(_valued(dtype.base), math.prod(dtype.shape))
    if dtype.fields is not None:
        valued = np.zeros(dtype.itemsize, np.bool_)
        for inner, offset, *_ in dtype.fields.values():
            valued[offset : offset + inner.itemsize] |= _valued(inner)
        return valued
    if dtype.char in "gG":
        parts = 2 if dtype.char == "G" else 1
        number = np.arange(dtype.itemsize // parts) < _EXTENDED_BYTES
        return np.tile(number if dtype.isnative else number[::-1], parts)
    return np.ones(dtype.itemsize, np.bool_)
