"""Filling a new array with one value."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._core.errors import ArgumentError
from rumus.gpu._array import GpuArray, Shape
from rumus.gpu._kernel import Kernel, Pipeline
from rumus.gpu._transfer import empty

_WORKGROUP = 256
_WORDS_A_THREAD = 4
_MOST_GROUPS = 16384


@cache
def _pipeline() -> Pipeline:
    source = files("rumus.gpu") / "shaders" / "fill.wgsl"
    return Kernel(source, name="fill", trusted=True).variant()


def full(
    shape: Shape, value: float, dtype: npt.DTypeLike = np.float32, device_index: int = 0
) -> GpuArray:
    """A new array of one value.

    Raises:
        ArgumentError: the value is no number that the dtype holds; else as :func:`empty`.

    Example:
        >>> to_host(full((2,), 3.0)).tolist()
        [3.0, 3.0]
    """
    array = empty(shape, dtype, device_index)
    words = -(-array.nbytes // 4)
    groups = min(-(-words // (_WORKGROUP * _WORDS_A_THREAD)), _MOST_GROUPS)
    _pipeline().dispatch([array], (words, _word(value, array.dtype)), groups)
    return array


def zeros(shape: Shape, dtype: npt.DTypeLike = np.float32, device_index: int = 0) -> GpuArray:
    """A new array of zeros; raises as :func:`empty` does.

    Example:
        >>> to_host(zeros((2,))).tolist()
        [0.0, 0.0]
    """
    return full(shape, 0, dtype, device_index)


def _word(value: float, dtype: np.dtype[Any]) -> int:
    """The 32-bit word that repeats a value."""
    try:
        float(value)  # numpy takes None for NaN
        with np.errstate(over="ignore"):
            repeated = np.full(4 // dtype.itemsize, value, dtype)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{value!r} is no number that {dtype} holds") from None
    return int(repeated.view(np.uint32)[0])
