"""Choices between floats by their bits: without numpy's branch for each element."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def chosen(mask: Array, a: Array, b: Array) -> Array:
    """``np.where``, which takes another way where both are float32."""
    if a.dtype != np.float32 or b.dtype != np.float32:
        return np.where(mask, a, b)
    bits = -mask.astype(np.int32)
    either = (a.view(np.int32) & bits) | (b.view(np.int32) & ~bits)
    return np.asarray(either.view(np.float32))


def kept(mask: Array, a: Array) -> Array:
    """``a`` (float32) where the mask is true, else 0."""
    return np.asarray((a.view(np.int32) & -mask.astype(np.int32)).view(np.float32))
