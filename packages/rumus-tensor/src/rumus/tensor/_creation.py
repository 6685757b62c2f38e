"""New tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator, default_generator
from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.dtypes import bool_, check_scalar, float32, given_dtype, int32
from rumus._core.errors import ArgumentError
from rumus._core.options import without_options
from rumus._core.shapes import Shape, shape_of

from ._tensor import Tensor

ShapeLike = int | Sequence[int]
_HINTS = {
    "requires_grad": "autograd.leaf(x) has a gradient, and nn.Parameter(x), what a model learns",
    "pin_memory": "leave it out: DataLoader(..., device='gpu') brings batches to the GPU ahead",
    "size": "the lengths come first, as in randn(2, 3)",
    "layout": "leave it out: tensors are dense",
}


@without_options(_HINTS)
def tensor(
    data: npt.ArrayLike | TensorBase,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike = CPU,
) -> Tensor:
    """A tensor of array-like data, copied; see :class:`Tensor`.

    Example:
        >>> tensor([[1, 2], [3, 4]]).dtype
        dtype('int32')
        >>> tensor([1.0, 2.0], dtype="float16").dtype
        dtype('float16')
    """
    return Tensor(data, dtype, device)


def from_numpy(array: npt.NDArray[Any], device: DeviceLike = CPU) -> Tensor:
    """A tensor with a copy of a numpy array; float64 becomes float32, int64 becomes int32.

    Example:
        >>> from_numpy(np.array([1.0, 2.0])).dtype
        dtype('float32')
    """
    return Tensor(array, None, device)


@without_options(_HINTS)
def full(
    shape: ShapeLike,
    fill_value: float | int | bool,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike = CPU,
) -> Tensor:
    """A tensor of one value; float32, int32 or bool by default, as the value is.

    Raises:
        ShapeError: A length is negative.
        ArgumentError: The value does not fit the dtype.

    Example:
        >>> full((2, 2), 7).tolist()
        [[7, 7], [7, 7]]
    """
    if dtype is None:
        dtype = float32
        if isinstance(fill_value, int):
            dtype = bool_ if isinstance(fill_value, bool) else int32
    return _filled("full", shape_of("full", shape), fill_value, dtype, device)


@without_options(_HINTS)
def zeros(
    *shape: ShapeLike, dtype: npt.DTypeLike | None = None, device: DeviceLike = CPU
) -> Tensor:
    """A tensor of zeros, float32 by default: ``zeros(2, 3)`` or ``zeros((2, 3))``.

    Example:
        >>> zeros(2, dtype=int32).tolist()
        [0, 0]
    """
    return _filled("zeros", _lengths("zeros", shape), 0, dtype, device)


@without_options(_HINTS)
def ones(*shape: ShapeLike, dtype: npt.DTypeLike | None = None, device: DeviceLike = CPU) -> Tensor:
    """A tensor of ones, float32 by default: ``ones(2, 3)`` or ``ones((2, 3))``.

    Example:
        >>> ones(2, 3).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    return _filled("ones", _lengths("ones", shape), 1, dtype, device)


@without_options(_HINTS)
def empty(
    *shape: ShapeLike, dtype: npt.DTypeLike | None = None, device: DeviceLike = CPU
) -> Tensor:
    """A tensor to be written to; zeros, as memory of others is never shown.

    Example:
        >>> empty(2, 3).shape
        (2, 3)
    """
    return _filled("empty", _lengths("empty", shape), 0, dtype, device)


@without_options(_HINTS)
def rand(*shape: ShapeLike, device: DeviceLike = CPU, generator: Generator | None = None) -> Tensor:
    """Uniform numbers in [0, 1), float32: ``rand(2, 3)`` or ``rand((2, 3))``.

    The same on every device after ``manual_seed``.

    Example:
        >>> rand(2, 3, generator=Generator(1)).shape
        (2, 3)
    """
    return _drawn("uniform", _lengths("rand", shape), device, generator)


@without_options(_HINTS)
def randn(
    *shape: ShapeLike, device: DeviceLike = CPU, generator: Generator | None = None
) -> Tensor:
    """Numbers of the standard normal distribution, float32; as :func:`rand`.

    Example:
        >>> randn(2, 3, generator=Generator(1)).shape
        (2, 3)
    """
    return _drawn("normal", _lengths("randn", shape), device, generator)


def _drawn(kind: str, shape: Shape, device: DeviceLike, generator: Generator | None) -> Tensor:
    device = Device(device)
    return Tensor._wrap(
        backend_of(device).random(kind, shape, generator or default_generator), device
    )


def _filled(
    name: str,
    shape: Shape,
    value: float | int | bool,
    dtype: npt.DTypeLike | None,
    device: DeviceLike,
) -> Tensor:
    checked = float32 if dtype is None else given_dtype(dtype)
    check_scalar(name, value, checked)
    device = Device(device)
    return Tensor._wrap(backend_of(device).full(shape, value, checked), device)


def _lengths(name: str, shape: Sequence[Any]) -> Shape:
    """The shape of ``f(2, 3)`` and of ``f((2, 3))``."""
    if len(shape) == 1:
        return shape_of(name, shape[0])
    for value in shape:
        if isinstance(value, (np.dtype, type, str, Device)):
            raise ArgumentError(
                f"{name}: {value!r} is no length; dtype and device are given by name, as in "
                f"{name}(2, 3, dtype=float32, device='cpu')"
            )
    return shape_of(name, shape)
