"""New tensors of the shape of another one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator, default_generator
from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase
from rumus._core.devices import Device, DeviceLike
from rumus._core.dtypes import check_scalar, float32, given_dtype, is_float
from rumus._core.errors import DTypeError

from ._tensor import Tensor


def full_like(
    like: TensorBase,
    fill_value: float | int | bool,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike | None = None,
) -> Tensor:
    """One value, in the shape of another tensor.

    Args:
        like: What the shape is taken from.
        fill_value: The value.
        dtype: That of ``like`` by default.
        device: That of ``like`` by default.

    Raises:
        ArgumentError: The value does not fit the dtype.

    Example:
        >>> from rumus.tensor import zeros
        >>> full_like(zeros((2,)), 7, dtype="int32").tolist()
        [7, 7]
    """
    chosen, place = _kind(like, dtype, device)
    check_scalar("full_like", fill_value, chosen)
    return Tensor._wrap(backend_of(place).full(like.shape, fill_value, chosen), place)


def zeros_like(
    like: TensorBase, dtype: npt.DTypeLike | None = None, device: DeviceLike | None = None
) -> Tensor:
    """Zeros; see :func:`full_like`.

    Example:
        >>> zeros_like(tensor([5, 6])).tolist()
        [0, 0]
    """
    return full_like(like, 0, dtype, device)


def ones_like(
    like: TensorBase, dtype: npt.DTypeLike | None = None, device: DeviceLike | None = None
) -> Tensor:
    """Ones; see :func:`full_like`.

    Example:
        >>> ones_like(tensor([5, 6])).tolist()
        [1, 1]
    """
    return full_like(like, 1, dtype, device)


def empty_like(
    like: TensorBase, dtype: npt.DTypeLike | None = None, device: DeviceLike | None = None
) -> Tensor:
    """A tensor to be written to; zeros, as memory of others is never shown.

    Example:
        >>> empty_like(ones(2, 3)).shape
        (2, 3)
    """
    return full_like(like, 0, dtype, device)


def rand_like(
    like: TensorBase,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform numbers in [0, 1), in the shape of another tensor.

    Raises:
        DTypeError: The dtype is no float.

    Example:
        >>> rand_like(zeros(2, 3)).shape
        (2, 3)
    """
    return _drawn_like("rand_like", "uniform", like, _kind(like, dtype, device), generator)


def randn_like(
    like: TensorBase,
    dtype: npt.DTypeLike | None = None,
    device: DeviceLike | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the standard normal distribution; as :func:`rand_like`.

    Example:
        >>> randn_like(zeros(2, 3)).shape
        (2, 3)
    """
    return _drawn_like("randn_like", "normal", like, _kind(like, dtype, device), generator)


def _kind(
    like: TensorBase, dtype: npt.DTypeLike | None, device: DeviceLike | None
) -> tuple[np.dtype[Any], Device]:
    chosen = like.dtype if dtype is None else given_dtype(dtype)
    return chosen, like.device if device is None else Device(device)


def _drawn_like(
    name: str,
    kind: str,
    like: TensorBase,
    target: tuple[np.dtype[Any], Device],
    generator: Generator | None,
) -> Tensor:
    dtype, device = target
    if not is_float(dtype):
        raise DTypeError(f"{name} gives float32 or float16, not {dtype}; name one with dtype=")
    numbers = backend_of(device).random(kind, like.shape, generator or default_generator)
    drawn = Tensor._wrap(numbers, device)
    return drawn if dtype == float32 else drawn.to(dtype)
