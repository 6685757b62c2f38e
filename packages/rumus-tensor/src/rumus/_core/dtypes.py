"""The element types, and the one in which arguments of several meet.

The common dtype is the highest of ``bool < uint8 < int32 < float16 < float32``. Python scalars are
weak: a bool or an int keeps any numeric dtype, a float lifts integers and bools to float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError, DTypeError

DType = np.dtype[Any]

NO_DOUBLE = (1 << 1024) - (1 << 970)
"""The smallest integer that is too large for Python's floats."""

float32: DType = np.dtype(np.float32)
float16: DType = np.dtype(np.float16)
int32: DType = np.dtype(np.int32)
uint8: DType = np.dtype(np.uint8)
bool_: DType = np.dtype(np.bool_)

LATTICE: tuple[DType, ...] = (bool_, uint8, int32, float16, float32)
_LEVEL = {dtype: level for level, dtype in enumerate(LATTICE)}


def check_dtype(dtype: DType) -> DType:
    """The dtype itself if rumus has it.

    Raises:
        DTypeError: It is none of float32, float16, int32, uint8 and bool.
    """
    if dtype not in _LEVEL:
        names = ", ".join(str(d) for d in reversed(LATTICE))
        raise DTypeError(f"dtype {dtype} is not supported; take one of {names}")
    return dtype


def given_dtype(dtype: npt.DTypeLike) -> DType:
    """The dtype that a user names.

    Raises:
        DTypeError: There is no such dtype, or rumus has it not.
    """
    found = named_dtype(dtype)
    if found is None:
        raise DTypeError(f"{dtype!r} is no dtype; take float32, float16, int32, uint8 or bool_")
    return check_dtype(found)


def named_dtype(name: object) -> DType | None:
    """What numpy takes for a dtype, but for None, which is its float64."""
    try:
        return None if name is None else np.dtype(name)  # type: ignore[call-overload]
    except TypeError:
        return None


def is_float(dtype: DType) -> bool:
    """Whether gradients can flow through the dtype."""
    return dtype.kind == "f"


def common_dtype(kinds: Sequence[DType | type]) -> DType:
    """The dtype in which arguments meet.

    Args:
        kinds: For an array its dtype, for a Python scalar its type (``bool``, ``int``, ``float``).
    """
    level = max((_LEVEL[k] for k in kinds if isinstance(k, np.dtype)), default=-1)
    for kind in kinds:
        if kind is float:
            level = max(level, _LEVEL[float32] if level < _LEVEL[float16] else level)
        elif kind is int:
            level = _LEVEL[int32] if level < _LEVEL[uint8] else level
        elif kind is bool:
            level = max(level, 0)
    return LATTICE[level]


def check_scalar(op: str, value: float, dtype: DType) -> None:
    """Refuse a Python integer that the dtype cannot hold.

    Raises:
        ArgumentError: The value is outside the range of an integer dtype, or of Python's floats.
    """
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if not info.min <= value <= info.max:
            raise ArgumentError(
                f"{op}: {value} does not fit {dtype} ({info.min} to {info.max}); "
                "cast the tensor to a wider dtype first"
            )
    elif isinstance(value, int) and not -NO_DOUBLE < value < NO_DOUBLE:
        digits = len(str(abs(value) >> 1000)) + 301
        raise ArgumentError(f"{op}: an integer of about {digits} digits does not fit {dtype}")


def extremes(dtype: DType) -> tuple[Any, Any]:
    """The lowest and the highest value of a dtype: of floats, the infinities."""
    if is_float(dtype):
        return -math.inf, math.inf
    if dtype == bool_:
        return False, True
    return np.iinfo(dtype).min, np.iinfo(dtype).max
