"""Dropout of elements and of channels."""

from __future__ import annotations

from rumus._backends.generator import Generator, default_generator
from rumus._core.base import TensorBase
from rumus._core.described import type_name
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor._ops.random import AlphaDropout, Dropout, DropoutOfParts
from rumus.tensor._tensor import Tensor


def dropout(
    x: Tensor, p: float = 0.5, training: bool = True, generator: Generator = default_generator
) -> Tensor:
    """Zero elements with probability p, and scale the others by ``1 / (1 - p)``.

    Srivastava et al., JMLR 15, 2014, in its inverted form.

    Args:
        x: Floats.
        p: The probability, from 0 to 1.
        training: Whether to do anything.
        generator: What the mask is drawn from.

    Raises:
        ArgumentError: p is out of range.
        DTypeError: x is no float.

    Example:
        >>> from rumus.tensor import ones
        >>> dropout(ones(3), 0.5, training=False).tolist()
        [1.0, 1.0, 1.0]
    """
    if _passes("dropout", x, p, training):
        return x
    return Dropout(p, generator)(x)


def dropout1d(
    x: Tensor, p: float = 0.5, training: bool = True, generator: Generator = default_generator
) -> Tensor:
    """Zero whole channels of x of shape (N, C, L) or (C, L); see :func:`dropout`.

    Tompson et al., arXiv:1411.4280.

    Raises:
        ShapeError: x has another number of axes.
        ArgumentError: p is out of range.
        DTypeError: x is no float.

    Example:
        >>> from rumus.tensor import ones
        >>> dropout1d(ones(1, 2, 3), 0.5, training=False).shape
        (1, 2, 3)
    """
    return _of_channels("dropout1d", x, p, training, generator, 1)


def dropout2d(
    x: Tensor, p: float = 0.5, training: bool = True, generator: Generator = default_generator
) -> Tensor:
    """Zero whole channels of x of shape (N, C, H, W) or (C, H, W); see :func:`dropout`.

    Tompson et al., arXiv:1411.4280.

    Raises:
        ShapeError: x has another number of axes.
        ArgumentError: p is out of range.
        DTypeError: x is no float.

    Example:
        >>> from rumus.tensor import ones
        >>> dropout2d(ones(1, 2, 3, 3), 0.5, training=False).shape
        (1, 2, 3, 3)
    """
    return _of_channels("dropout2d", x, p, training, generator, 2)


def alpha_dropout(
    x: Tensor, p: float = 0.5, training: bool = True, generator: Generator = default_generator
) -> Tensor:
    """Set elements to SELU's lowest value with probability p, and keep mean and variance.

    Klambauer et al., arXiv:1706.02515.

    Args:
        x: Floats.
        p: The probability, from 0 to below 1.
        training: Whether to do anything.
        generator: What the mask is drawn from.

    Raises:
        ArgumentError: p is out of range.
        DTypeError: x is no float.

    Example:
        >>> from rumus.tensor import ones
        >>> alpha_dropout(ones(3), 0.5, training=False).tolist()
        [1.0, 1.0, 1.0]
    """
    if p == 1.0:
        raise ArgumentError("alpha_dropout: p is below 1")
    if _passes("alpha_dropout", x, p, training):
        return x
    return AlphaDropout(p, generator)(x)


def _of_channels(
    name: str, x: Tensor, p: float, training: bool, generator: Generator, spatial: int
) -> Tensor:
    passes = _passes(name, x, p, training)
    if x.ndim - spatial not in (1, 2):
        raise ShapeError(
            f"{name} takes {spatial + 1} or {spatial + 2} axes, the last {spatial} of them a "
            f"channel's, not shape {x.shape}"
        )
    if passes:
        return x
    return DropoutOfParts(p, generator, (*x.shape[: x.ndim - spatial], *(1,) * spatial))(x)


def _passes(name: str, x: Tensor, p: float, training: bool) -> bool:
    """Whether x stays as it is."""
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(f"{name}: p is from 0 to 1, not {p}")
    if not isinstance(x, TensorBase):
        raise DTypeError(f"{name} takes tensors, not a {type_name(x)}")
    if training and p and not is_float(x.dtype):
        raise DTypeError(f"{name} takes floats, not {x.dtype}; convert with .to(float32)")
    return not training or p == 0.0
