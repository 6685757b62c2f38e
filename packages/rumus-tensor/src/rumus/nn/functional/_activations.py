"""Activations, applied to each element unless said otherwise."""

from __future__ import annotations

from typing import Any, Unpack

from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.shapes import axis_of
from rumus.tensor._aliases import Aliases, axis_alias
from rumus.tensor._joining import where
from rumus.tensor._operand import Operand, apply
from rumus.tensor._tensor import Tensor

from ._loss_checks import check_tensors

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def relu(x: Tensor) -> Tensor:
    """``max(x, 0)``."""
    check_tensors("relu", x)
    return x.relu()


def relu6(x: Tensor) -> Tensor:
    """``min(max(x, 0), 6)``, without a gradient at either bound."""
    _check_floats("relu6", x)
    return hardtanh(x, 0.0, 6.0)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where it is positive, else ``negative_slope * x``."""
    check_tensors("leaky_relu", x)
    return x.leaky_relu(negative_slope)


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """``x`` where it is positive, else ``weight * x`` (He et al., arXiv:1502.01852).

    Args:
        x: Of shape (N, C, …).
        weight: Of one element, or of shape (C,).

    Raises:
        ShapeError: The weight has another shape.
    """
    if weight.size == 1:
        return _float_row("leaky_relu", x, weight.reshape(()))
    if x.ndim < 2 or weight.shape != x.shape[1:2]:
        raise ShapeError(
            f"prelu: x of shape {x.shape} takes a weight of one element or one a channel, "
            f"not of shape {weight.shape}"
        )
    return _float_row("leaky_relu", x, weight.reshape(-1, *(1,) * (x.ndim - 2)))


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where it is positive, else ``alpha * (exp(x) - 1)``.

    Clevert et al., arXiv:1511.07289.
    """
    return _float_row("elu", x, alpha, 1.0, 1.0)


def selu(x: Tensor) -> Tensor:
    """``1.0507 * elu(x, 1.67326)``, which keeps mean 0 and variance 1.

    Klambauer et al., arXiv:1706.02515.
    """
    return _float_row("elu", x, _SELU_SCALE * _SELU_ALPHA, _SELU_SCALE, 1.0)


def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where it is positive, else ``alpha * (exp(x / alpha) - 1)`` (Barron, arXiv:1704.07483).

    Raises:
        ArgumentError: alpha is 0.
    """
    if alpha == 0:
        raise ArgumentError("celu: alpha is not 0")
    return _float_row("elu", x, alpha, 1.0, 1.0 / alpha)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """``x * P(X <= x)`` of a standard normal X; see :meth:`rumus.tensor.Tensor.gelu`."""
    check_tensors("gelu", x)
    return x.gelu(approximate)


def silu(x: Tensor) -> Tensor:
    """``x * sigmoid(x)``."""
    check_tensors("silu", x)
    return x.silu()


def mish(x: Tensor) -> Tensor:
    """``x * tanh(log(1 + exp(x)))`` (Misra, arXiv:1908.08681)."""
    return _float_row("mish", x)


def hardswish(x: Tensor) -> Tensor:
    """``x * min(max(x + 3, 0), 6) / 6`` (Howard et al., arXiv:1905.02244)."""
    return _float_row("hardswish", x)


def hardsigmoid(x: Tensor) -> Tensor:
    """``min(max(x + 3, 0), 6) / 6``."""
    return _float_row("hardsigmoid", x)


def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``min(max(x, min_val), max_val)``, without a gradient at either bound.

    Raises:
        ArgumentError: The bounds are the wrong way round.
    """
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val is at most max_val, not {min_val} and {max_val}")
    return _float_row("hardtanh", x, min_val, max_val)


def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    check_tensors("sigmoid", x)
    return x.sigmoid()


def logsigmoid(x: Tensor) -> Tensor:
    """``log(sigmoid(x))``, without overflow."""
    return _float_row("logsigmoid", x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    check_tensors("tanh", x)
    return x.tanh()


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``, and x itself where ``beta * x > threshold``.

    Raises:
        ArgumentError: beta is 0.
    """
    if beta == 0:
        raise ArgumentError("softplus: beta is not 0")
    smooth = x.softplus() if beta == 1 else (x * beta).softplus() / beta
    # From 17 on the two are the same float32
    return smooth if threshold >= 17 else where(x * beta > threshold, x, smooth)


def softsign(x: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return _float_row("softsign", x)


def tanhshrink(x: Tensor) -> Tensor:
    """``x - tanh(x)``."""
    return x - x.tanh()


def softshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """X moved towards 0 by ``lambd``, and 0 where that is further than it is.

    Raises:
        ArgumentError: lambd is negative.
    """
    if lambd < 0:
        raise ArgumentError(f"softshrink: lambd is not negative, but is {lambd}")
    return x - x.clamp(-lambd, lambd)


def hardshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x, and 0 where it is from ``-lambd`` to ``lambd``."""
    return where(x.abs() <= lambd, 0.0, x)


def threshold(x: Tensor, threshold: float, value: float) -> Tensor:
    """X where it is above the threshold, else ``value``."""
    return where(x <= threshold, value, x)


def glu(x: Tensor, axis: int = -1, **aliases: Unpack[Aliases]) -> Tensor:
    """``a * sigmoid(b)`` of the halves a and b of an axis, which may be called ``dim``.

    Dauphin et al., arXiv:1612.08083.

    Raises:
        ShapeError: The axis has an odd length.
    """
    if aliases:
        axis = axis_alias("glu", aliases, axis, -1)
    return _float_row("glu", *_halves("glu", x, axis))


def swiglu(x: Tensor, axis: int = -1, **aliases: Unpack[Aliases]) -> Tensor:
    """``silu(a) * b`` of the halves a and b of an axis, which may be called ``dim``.

    Shazeer, arXiv:2002.05202.

    Raises:
        ShapeError: The axis has an odd length.
    """
    if aliases:
        axis = axis_alias("swiglu", aliases, axis, -1)
    return _float_row("swiglu", *_halves("swiglu", x, axis))


def softmax(x: Tensor, axis: int = -1, **aliases: Unpack[Aliases]) -> Tensor:
    """``exp(x)`` over its sum along an axis, which may be called ``dim``."""
    if aliases:
        axis = axis_alias("softmax", aliases, axis, -1)
    check_tensors("softmax", x)
    return x.softmax(axis)


def softmin(x: Tensor, axis: int = -1, **aliases: Unpack[Aliases]) -> Tensor:
    """``exp(-x)`` over its sum along an axis, which may be called ``dim``."""
    if aliases:
        axis = axis_alias("softmin", aliases, axis, -1)
    check_tensors("softmin", x)
    return (-x).softmax(axis)


def log_softmax(x: Tensor, axis: int = -1, **aliases: Unpack[Aliases]) -> Tensor:
    """The logarithm of :func:`softmax`."""
    if aliases:
        axis = axis_alias("log_softmax", aliases, axis, -1)
    check_tensors("log_softmax", x)
    return x.log_softmax(axis)


def _check_floats(name: str, x: Tensor) -> None:
    check_tensors(name, x)
    if not is_float(x.dtype):
        raise DTypeError(f"{name} takes floats, not {x.dtype}; convert with .to(float32)")


def _float_row(name: str, x: Tensor, *others: Operand) -> Tensor:
    _check_floats(name, x)
    y: Tensor = apply(name, x, *others)
    return y


def _halves(name: str, x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    at = axis_of(name, axis, x.ndim)
    if x.shape[at] % 2:
        raise ShapeError(f"{name}: axis {axis} of shape {x.shape} has an odd length, no halves")
    half = x.shape[at] // 2
    before: tuple[Any, ...] = (slice(None),) * at
    return x[(*before, slice(half))], x[(*before, slice(half, None))]
