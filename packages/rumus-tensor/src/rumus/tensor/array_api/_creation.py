"""New tensors, under the array API's signatures."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._core.devices import CPU, Device, DeviceLike
from rumus.tensor import _creation as ours
from rumus.tensor import _spaced as spaced
from rumus.tensor._dlpack import from_dlpack as from_dlpack
from rumus.tensor._tensor import Tensor

Place = DeviceLike | None
DType = npt.DTypeLike | None
Number = bool | int | float


def asarray(
    obj: Any, /, *, dtype: DType = None, device: Place = None, copy: bool | None = None
) -> Tensor:
    """A tensor of numbers, sequences, an array or a tensor; itself where nothing is to be done."""
    if not isinstance(obj, Tensor):
        if copy is False and not isinstance(obj, np.ndarray):
            raise ValueError(f"a {type(obj).__name__} needs a copy")
        return Tensor(obj, dtype, device or CPU)
    target = obj.device if device is None else Device(device)
    wanted = obj.dtype if dtype is None else np.dtype(dtype)
    if copy is False and (target is not obj.device or wanted != obj.dtype):
        raise ValueError(f"{wanted} on {target} needs a copy of a {obj.dtype} tensor")
    result = obj.to(wanted).to(target)
    return result.contiguous() if copy and result is obj else result


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DType = None,
    device: Place = None,
) -> Tensor:
    """Evenly spaced numbers from ``start`` (0 if one number is given) to before ``stop``."""
    return spaced.arange(start, stop, step, dtype, device or CPU)


def zeros(shape: Any, *, dtype: DType = None, device: Place = None) -> Tensor:
    """Zeros, float32 by default."""
    return ours.zeros(shape, dtype=dtype, device=device or CPU)


def ones(shape: Any, *, dtype: DType = None, device: Place = None) -> Tensor:
    """Ones, float32 by default."""
    return ours.ones(shape, dtype=dtype, device=device or CPU)


def empty(shape: Any, *, dtype: DType = None, device: Place = None) -> Tensor:
    """A tensor to be written to, float32 by default."""
    return ours.empty(shape, dtype=dtype, device=device or CPU)


def full(shape: Any, fill_value: Number, *, dtype: DType = None, device: Place = None) -> Tensor:
    """A tensor of one value; float32, int32 or bool by default, as the value is."""
    return ours.full(shape, fill_value, dtype, device or CPU)


def full_like(
    x: Tensor, /, fill_value: Number, *, dtype: DType = None, device: Place = None
) -> Tensor:
    """A tensor of one value, of the shape, dtype and device of another unless given."""
    return ours.full(x.shape, fill_value, dtype or x.dtype, device or x.device)


def zeros_like(x: Tensor, /, *, dtype: DType = None, device: Place = None) -> Tensor:
    """Zeros like another tensor."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Tensor, /, *, dtype: DType = None, device: Place = None) -> Tensor:
    """Ones like another tensor."""
    return full_like(x, 1, dtype=dtype, device=device)


def empty_like(x: Tensor, /, *, dtype: DType = None, device: Place = None) -> Tensor:
    """A tensor to be written to, like another one."""
    return full_like(x, 0, dtype=dtype, device=device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: DType = None,
    device: Place = None,
) -> Tensor:
    """Ones on the ``k``-th diagonal, zeros elsewhere."""
    return spaced.eye(n_rows, n_cols, k, dtype, device or CPU)


def linspace(
    start: float,
    stop: float,
    /,
    num: int,
    *,
    dtype: DType = None,
    device: Place = None,
    endpoint: bool = True,
) -> Tensor:
    """So many evenly spaced numbers from ``start`` to ``stop``."""
    return spaced.linspace(start, stop, num, dtype, device or CPU, endpoint)
