"""What the array API asks of dtypes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rumus._core.devices import Device, DeviceLike
from rumus._core.dtypes import LATTICE, DType, bool_, common_dtype, is_float
from rumus._core.errors import ArgumentError, DTypeError
from rumus.tensor._tensor import Tensor

_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


class FloatInfo(NamedTuple):
    """The limits of a float dtype, as Python's numbers."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


class IntegerInfo(NamedTuple):
    """The limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: DType


def astype(
    x: Tensor, dtype: Any, /, *, copy: bool = True, device: DeviceLike | None = None
) -> Tensor:
    """The tensor in another dtype, and maybe on another device."""
    result = x.to(np.dtype(dtype))
    result = result if device is None else result.to(Device(device))
    return result.contiguous() if copy and result is x else result


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether promotion may take the one dtype to the other."""
    source = from_.dtype if isinstance(from_, Tensor) else np.dtype(from_)
    target = np.dtype(to)
    same = is_float(source) == is_float(target) and (source == bool_) == (target == bool_)
    return source == target or (same and LATTICE.index(source) < LATTICE.index(target))


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a float dtype, or of a tensor's."""
    dtype = type.dtype if isinstance(type, Tensor) else np.dtype(type)
    if not is_float(dtype):
        raise DTypeError(f"finfo takes float32 or float16, not {dtype}")
    info = np.finfo(dtype)
    eps, largest, lowest = (float(n) for n in (info.eps, info.max, info.min))
    return FloatInfo(info.bits, eps, largest, lowest, float(info.smallest_normal), dtype)


def iinfo(type: Any, /) -> IntegerInfo:
    """The limits of an integer dtype, or of a tensor's."""
    dtype = type.dtype if isinstance(type, Tensor) else np.dtype(type)
    if dtype.kind not in "iu":
        raise DTypeError(f"iinfo takes int32 or uint8, not {dtype}")
    info = np.iinfo(dtype)
    return IntegerInfo(info.bits, int(info.max), int(info.min), dtype)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is another one, or of a kind such as ``"integral"``, or of one of several."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if not isinstance(kind, str):
        return bool(np.dtype(dtype) == np.dtype(kind))
    if kind not in _KINDS:
        raise ArgumentError(f"isdtype: {kind!r} is none of the kinds {', '.join(_KINDS)}")
    return np.dtype(dtype).kind in _KINDS[kind]


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype in which tensors, dtypes and Python's numbers meet."""
    kinds = [_kind(x) for x in arrays_and_dtypes]
    if not any(isinstance(kind, np.dtype) for kind in kinds):
        raise ArgumentError("result_type takes a tensor or a dtype among its arguments")
    return common_dtype(kinds)


def _kind(x: Any) -> DType | type:
    if isinstance(x, Tensor):
        return x.dtype
    return type(x) if isinstance(x, (bool, int, float)) else np.dtype(x)
