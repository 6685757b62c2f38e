"""Activations, applied to each element unless said otherwise."""

from __future__ import annotations

from typing import Any, Literal, Unpack

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
    """``max(x, 0)``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in relu(tensor([-2.0, 0.7]))]
        ['0.000', '0.700']
    """
    check_tensors("relu", x)
    return x.relu()


def relu6(x: Tensor) -> Tensor:
    """``min(max(x, 0), 6)``, without a gradient at either bound.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in relu6(tensor([-2.0, 0.7]))]
        ['0.000', '0.700']
    """
    _check_floats("relu6", x)
    return hardtanh(x, 0.0, 6.0)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where it is positive, else ``negative_slope * x``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in leaky_relu(tensor([-2.0, 0.7]))]
        ['-0.020', '0.700']
    """
    check_tensors("leaky_relu", x)
    return x.leaky_relu(negative_slope)


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """``x`` where it is positive, else ``weight * x`` (He et al., arXiv:1502.01852).

    Args:
        x: Of shape (N, C, …).
        weight: Of one element, or of shape (C,).

    Raises:
        ShapeError: The weight has another shape.

    Example:
        >>> from rumus.tensor import tensor
        >>> prelu(tensor([-2.0, 3.0]), tensor([0.25])).tolist()
        [-0.5, 3.0]
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

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in elu(tensor([-2.0, 0.7]))]
        ['-0.865', '0.700']
    """
    return _float_row("elu", x, alpha, 1.0, 1.0)


def selu(x: Tensor) -> Tensor:
    """``1.0507 * elu(x, 1.67326)``, which keeps mean 0 and variance 1.

    Klambauer et al., arXiv:1706.02515.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in selu(tensor([-2.0, 0.7]))]
        ['-1.520', '0.735']
    """
    return _float_row("elu", x, _SELU_SCALE * _SELU_ALPHA, _SELU_SCALE, 1.0)


def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where it is positive, else ``alpha * (exp(x / alpha) - 1)`` (Barron, arXiv:1704.07483).

    Raises:
        ArgumentError: alpha is 0.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in celu(tensor([-2.0, 0.7]))]
        ['-0.865', '0.700']
    """
    if alpha == 0:
        raise ArgumentError("celu: alpha is not 0")
    return _float_row("elu", x, alpha, 1.0, 1.0 / alpha)


def gelu(x: Tensor, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    """``x * P(X <= x)`` of a standard normal X; see :meth:`rumus.tensor.Tensor.gelu`.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in gelu(tensor([-2.0, 0.7]))]
        ['-0.046', '0.531']
    """
    check_tensors("gelu", x)
    return x.gelu(approximate)


def silu(x: Tensor) -> Tensor:
    """``x * sigmoid(x)``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in silu(tensor([-2.0, 0.7]))]
        ['-0.238', '0.468']
    """
    check_tensors("silu", x)
    return x.silu()


def mish(x: Tensor) -> Tensor:
    """``x * tanh(log(1 + exp(x)))`` (Misra, arXiv:1908.08681).

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in mish(tensor([-2.0, 0.7]))]
        ['-0.253', '0.561']
    """
    return _float_row("mish", x)


def hardswish(x: Tensor) -> Tensor:
    """``x * min(max(x + 3, 0), 6) / 6`` (Howard et al., arXiv:1905.02244).

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in hardswish(tensor([-2.0, 0.7]))]
        ['-0.333', '0.432']
    """
    return _float_row("hardswish", x)


def hardsigmoid(x: Tensor) -> Tensor:
    """``min(max(x + 3, 0), 6) / 6``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in hardsigmoid(tensor([-2.0, 0.7]))]
        ['0.167', '0.617']
    """
    return _float_row("hardsigmoid", x)


def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``min(max(x, min_val), max_val)``, without a gradient at either bound.

    Raises:
        ArgumentError: The bounds are the wrong way round.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in hardtanh(tensor([-2.0, 0.7]))]
        ['-1.000', '0.700']
    """
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val is at most max_val, not {min_val} and {max_val}")
    return _float_row("hardtanh", x, min_val, max_val)


def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in sigmoid(tensor([-2.0, 0.7]))]
        ['0.119', '0.668']
    """
    check_tensors("sigmoid", x)
    return x.sigmoid()


def logsigmoid(x: Tensor) -> Tensor:
    """``log(sigmoid(x))``, without overflow.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in logsigmoid(tensor([-2.0, 0.7]))]
        ['-2.127', '-0.403']
    """
    return _float_row("logsigmoid", x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in tanh(tensor([-2.0, 0.7]))]
        ['-0.964', '0.604']
    """
    check_tensors("tanh", x)
    return x.tanh()


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``, and x itself where ``beta * x > threshold``.

    Raises:
        ArgumentError: beta is 0.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in softplus(tensor([-2.0, 0.7]))]
        ['0.127', '1.103']
    """
    if beta == 0:
        raise ArgumentError("softplus: beta is not 0")
    smooth = x.softplus() if beta == 1 else (x * beta).softplus() / beta
    # From 17 on the two are the same float32
    return smooth if threshold >= 17 else where(x * beta > threshold, x, smooth)


def softsign(x: Tensor) -> Tensor:
    """``x / (1 + |x|)``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in softsign(tensor([-2.0, 0.7]))]
        ['-0.667', '0.412']
    """
    return _float_row("softsign", x)


def tanhshrink(x: Tensor) -> Tensor:
    """``x - tanh(x)``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in tanhshrink(tensor([-2.0, 0.7]))]
        ['-1.036', '0.096']
    """
    return x - x.tanh()


def softshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """X moved towards 0 by ``lambd``, and 0 where that is further than it is.

    Raises:
        ArgumentError: lambd is negative.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in softshrink(tensor([-2.0, 0.7]))]
        ['-1.500', '0.200']
    """
    if lambd < 0:
        raise ArgumentError(f"softshrink: lambd is not negative, but is {lambd}")
    return x - x.clamp(-lambd, lambd)


def hardshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x, and 0 where it is from ``-lambd`` to ``lambd``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in hardshrink(tensor([-2.0, 0.7]))]
        ['-2.000', '0.700']
    """
    return where(x.abs() <= lambd, 0.0, x)


def threshold(x: Tensor, threshold: float, value: float) -> Tensor:
    """X where it is above the threshold, else ``value``.

    Example:
        >>> from rumus.tensor import tensor
        >>> threshold(tensor([0.25, 0.75]), 0.5, 0.0).tolist()
        [0.0, 0.75]
    """
    return where(x <= threshold, value, x)


def glu(x: Tensor, axis: int = -1, **aliases: Unpack[Aliases]) -> Tensor:
    """``a * sigmoid(b)`` of the halves a and b of an axis, which may be called ``dim``.

    Dauphin et al., arXiv:1612.08083.

    Raises:
        ShapeError: The axis has an odd length.

    Example:
        >>> from rumus.tensor import ones
        >>> glu(ones(2, 6)).shape
        (2, 3)
    """
    if aliases:
        axis = axis_alias("glu", aliases, axis, -1)
    return _float_row("glu", *_halves("glu", x, axis))


def swiglu(x: Tensor, axis: int = -1, **aliases: Unpack[Aliases]) -> Tensor:
    """``silu(a) * b`` of the halves a and b of an axis, which may be called ``dim``.

    Shazeer, arXiv:2002.05202.

    Raises:
        ShapeError: The axis has an odd length.

    Example:
        >>> from rumus.tensor import ones
        >>> swiglu(ones(2, 6)).shape
        (2, 3)
    """
    if aliases:
        axis = axis_alias("swiglu", aliases, axis, -1)
    return _float_row("swiglu", *_halves("swiglu", x, axis))


def softmax(x: Tensor, axis: int = -1, **aliases: Unpack[Aliases]) -> Tensor:
    """``exp(x)`` over its sum along an axis, which may be called ``dim``.

    Example:
        >>> from rumus.tensor import tensor
        >>> softmax(tensor([0.0, 0.0]), 0).tolist()
        [0.5, 0.5]
    """
    if aliases:
        axis = axis_alias("softmax", aliases, axis, -1)
    check_tensors("softmax", x)
    return x.softmax(axis)


def softmin(x: Tensor, axis: int = -1, **aliases: Unpack[Aliases]) -> Tensor:
    """``exp(-x)`` over its sum along an axis, which may be called ``dim``.

    Example:
        >>> from rumus.tensor import tensor
        >>> softmin(tensor([0.0, 0.0]), 0).tolist()
        [0.5, 0.5]
    """
    if aliases:
        axis = axis_alias("softmin", aliases, axis, -1)
    check_tensors("softmin", x)
    return (-x).softmax(axis)


def log_softmax(x: Tensor, axis: int = -1, **aliases: Unpack[Aliases]) -> Tensor:
    """The logarithm of :func:`softmax`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{log_softmax(tensor([0.0, 0.0]), 0)[0]:.4f}"
        '-0.6931'
    """
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
