"""From anything array-like to a numpy array of a supported dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .dtypes import float32, given_dtype, int32
from .errors import ArgumentError, DTypeError


def as_host_array(data: Any, dtype: npt.DTypeLike | None) -> npt.NDArray[Any]:
    """A numpy array of a supported dtype; not a copy where ``data`` is one already.

    Raises:
        DTypeError: The dtype is not supported, or ``data`` is ragged or holds no numbers.
        ArgumentError: An integer does not fit the dtype.
    """
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise DTypeError(f"data is no regular grid of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"data of dtype {array.dtype} are no numbers that a tensor can hold")
    target = _narrowed(array.dtype) if dtype is None else given_dtype(dtype)
    if target.kind in "iu" and array.dtype.kind in "iuf":
        _check_range(array, target)
    with np.errstate(over="ignore"):
        return array.astype(target, copy=False)


def _narrowed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """float64 and longer become float32; all integers but uint8 become int32."""
    if dtype.kind == "f":
        return dtype.newbyteorder("=") if dtype.itemsize <= 4 else float32
    if dtype.kind == "b" or dtype == np.uint8:
        return dtype
    return int32


def _check_range(array: npt.NDArray[Any], target: np.dtype[Any]) -> None:
    info = np.iinfo(target)
    if np.can_cast(array.dtype, target) or not array.size:
        return
    low, high = array.min(), array.max()
    if not (low >= info.min and high <= info.max):
        worst = low if not low >= info.min else high
        raise ArgumentError(f"{worst} does not fit {target} ({info.min} to {info.max})")
