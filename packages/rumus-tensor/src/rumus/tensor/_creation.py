"""New tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import default_generator
from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.devices import CPU, Device
from rumus._core.dtypes import bool_, check_dtype, check_scalar, float32, int32
from rumus._core.shapes import shape_of

from ._tensor import Tensor

ShapeLike = int | Sequence[int]


def tensor(
    data: npt.ArrayLike | TensorBase,
    dtype: npt.DTypeLike | None = None,
    device: Device | str = CPU,
) -> Tensor:
    """A tensor of array-like data, copied; see :class:`Tensor`."""
    return Tensor(data, dtype, device)


def from_numpy(array: npt.NDArray[Any], device: Device | str = CPU) -> Tensor:
    """A tensor with a copy of a numpy array; float64 becomes float32, int64 becomes int32."""
    return Tensor(array, None, device)


def full(
    shape: ShapeLike,
    value: float | int | bool,
    dtype: npt.DTypeLike | None = None,
    device: Device | str = CPU,
) -> Tensor:
    """A tensor of one value; float32, int32 or bool by default, as the value is.

    Raises:
        ShapeError: A length is negative.
        ArgumentError: The value does not fit the dtype.
    """
    if dtype is None:
        dtype = bool_ if isinstance(value, bool) else int32 if isinstance(value, int) else float32
    checked = check_dtype(np.dtype(dtype))
    check_scalar("full", value, checked)
    device = Device(device)
    lengths = shape_of("a new tensor", shape)
    return Tensor._wrap(backend_of(device).full(lengths, value, checked), device)


def zeros(shape: ShapeLike, dtype: npt.DTypeLike = float32, device: Device | str = CPU) -> Tensor:
    """A tensor of zeros."""
    return full(shape, 0, dtype, device)


def ones(shape: ShapeLike, dtype: npt.DTypeLike = float32, device: Device | str = CPU) -> Tensor:
    """A tensor of ones."""
    return full(shape, 1, dtype, device)


def rand(shape: ShapeLike, device: Device | str = CPU) -> Tensor:
    """Uniform numbers in [0, 1), float32; the same on every device after ``manual_seed``."""
    return _drawn("uniform", shape, device)


def randn(shape: ShapeLike, device: Device | str = CPU) -> Tensor:
    """Numbers of the standard normal distribution, float32."""
    return _drawn("normal", shape, device)


def _drawn(kind: str, shape: ShapeLike, device: Device | str) -> Tensor:
    device = Device(device)
    lengths = shape_of("a new tensor", shape)
    return Tensor._wrap(backend_of(device).random(kind, lengths, default_generator), device)
