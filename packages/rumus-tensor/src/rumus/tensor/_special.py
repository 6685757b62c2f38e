"""Functions of elements that are a few others put together, under PyTorch's names."""

from __future__ import annotations

import math

from rumus._core.dtypes import float32, is_float
from rumus._core.errors import DTypeError

from ._joining import where
from ._likes import full_like
from ._named import (
    exp2,
    isnan,
    log,
    logaddexp,
    logical_and,
    logical_or,
    maximum,
    minimum,
    sin,
    trunc,
)
from ._tensor import Tensor

Number = Tensor | float
_LN2 = math.log(2)


def addcmul(x: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    """``x + value * a * b``; the three broadcast.

    Example:
        >>> from rumus.tensor import tensor
        >>> addcmul(tensor([1.0]), tensor([2.0]), tensor([3.0]), value=0.5).tolist()
        [4.0]
    """
    return x + (a * b if value == 1 else value * (a * b))


def addcdiv(x: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    """``x + value * a / b``; the three broadcast.

    Example:
        >>> from rumus.tensor import tensor
        >>> addcdiv(tensor([1.0]), tensor([3.0]), tensor([2.0])).tolist()
        [2.5]
    """
    return x + (a / b if value == 1 else value * (a / b))


def deg2rad(x: Tensor) -> Tensor:
    """Degrees as radians.

    Example:
        >>> from rumus.tensor import tensor
        >>> round(deg2rad(tensor(180.0)).item(), 4)
        3.1416
    """
    return x * (math.pi / 180)


def nextafter(x: Number, other: Number) -> Tensor:
    """The float32 next to each element on the way to ``other``; see :meth:`Tensor.nextafter`.

    Raises:
        DTypeError: Neither is a tensor, or one is float16.

    Example:
        >>> from rumus.tensor import tensor
        >>> nextafter(tensor(1.0), 2.0).item() - 1.0
        1.1920928955078125e-07
    """
    x, other = _tensors("nextafter", x, other)
    return x.nextafter(other)


def rad2deg(x: Tensor) -> Tensor:
    """Radians as degrees.

    Example:
        >>> from rumus.tensor import tensor
        >>> round(rad2deg(tensor(3.14159265)).item(), 3)
        180.0
    """
    return x * (180 / math.pi)


def fmax(a: Tensor, b: Tensor) -> Tensor:
    """The larger of two, or the one that is a number where the other is NaN.

    Example:
        >>> from rumus.tensor import tensor
        >>> fmax(tensor([1.0, float("nan")]), tensor([2.0, 3.0])).tolist()
        [2.0, 3.0]
    """
    return where(isnan(a), b, where(isnan(b), a, maximum(a, b)))


def fmin(a: Tensor, b: Tensor) -> Tensor:
    """The smaller of two, or the one that is a number where the other is NaN.

    Example:
        >>> from rumus.tensor import tensor
        >>> fmin(tensor([1.0, float("nan")]), tensor([2.0, 3.0])).tolist()
        [1.0, 3.0]
    """
    return where(isnan(a), b, where(isnan(b), a, minimum(a, b)))


def frac(x: Tensor) -> Tensor:
    """What :func:`trunc` takes away, with the sign of ``x``.

    Example:
        >>> from rumus.tensor import tensor
        >>> frac(tensor([1.5, -2.25])).tolist()
        [0.5, -0.25]
    """
    return x - trunc(x)


def heaviside(x: Tensor, values: Number) -> Tensor:
    """0 below 0, 1 above, and ``values`` at 0; NaN stays. Its gradient is that of ``values``.

    Example:
        >>> from rumus.tensor import tensor
        >>> heaviside(tensor([-2.0, 0.0, 3.0]), 0.5).tolist()
        [0.0, 0.5, 1.0]
    """
    return where(x == 0, values, where(x > 0, 1, where(x < 0, 0, x)).detach())


def isneginf(x: Tensor) -> Tensor:
    """Whether elements are minus infinity.

    Example:
        >>> from rumus.tensor import tensor
        >>> isneginf(tensor([1.0, -float("inf")])).tolist()
        [False, True]
    """
    return x == -math.inf if is_float(x.dtype) else x != x


def isposinf(x: Tensor) -> Tensor:
    """Whether elements are infinity.

    Example:
        >>> from rumus.tensor import tensor
        >>> isposinf(tensor([1.0, float("inf")])).tolist()
        [False, True]
    """
    return x == math.inf if is_float(x.dtype) else x != x


def ldexp(x: Number, n: Number) -> Tensor:
    """``x * 2 ** n``.

    Raises:
        DTypeError: Neither is a tensor.

    Example:
        >>> from rumus.tensor import tensor
        >>> ldexp(tensor([0.5, 3.0]), tensor([3, 1])).tolist()
        [4.0, 6.0]
    """
    x, n = _tensors("ldexp", x, n)
    half = trunc(n / 2)  # 2 ** n alone may overflow where the result does not
    result = x * exp2(half) * exp2(n - half)
    return result.to(x.dtype) if is_float(x.dtype) else result


def logaddexp2(a: Tensor, b: Tensor) -> Tensor:
    """``log2(2 ** a + 2 ** b)``, without overflow.

    Example:
        >>> from rumus.tensor import tensor
        >>> logaddexp2(tensor([1.0]), tensor([1.0])).tolist()
        [2.0]
    """
    return logaddexp(a * _LN2, b * _LN2) / _LN2


def logit(x: Tensor, eps: float | None = None) -> Tensor:
    """``log(x / (1 - x))``, the inverse of :func:`sigmoid`.

    Args:
        x: From 0 to 1; others give NaN.
        eps: If given, ``x`` is first brought to ``eps`` to ``1 - eps``.

    Example:
        >>> from rumus.tensor import tensor
        >>> logit(tensor([0.5])).tolist()
        [0.0]
    """
    x = x if is_float(x.dtype) else x.to(float32)
    inside = x if eps is None else minimum(maximum(x, eps), 1 - eps)
    return log(inside / (1 - inside))


def sinc(x: Tensor) -> Tensor:
    """``sin(pi x) / (pi x)``, and 1 at 0.

    Example:
        >>> from rumus.tensor import tensor
        >>> sinc(tensor([0.0])).tolist()
        [1.0]
    """
    angle = where(x == 0, 1.0, x * math.pi)
    return where(x == 0, 1.0, sin(angle) / angle)


def xlogy(x: Number, y: Number) -> Tensor:
    """``x * log(y)``, and 0 where ``x`` is 0 and ``y`` a number.

    Raises:
        DTypeError: Neither is a tensor.

    Example:
        >>> from rumus.tensor import tensor
        >>> xlogy(tensor([0.0, 2.0]), tensor([0.0, 1.0])).tolist()
        [0.0, 0.0]
    """
    x, y = _tensors("xlogy", x, y)
    is_zero = logical_and(x == 0, logical_or(y <= 0, y == math.inf))
    return where(is_zero, 0.0, x * log(where(is_zero, 1.0, y)))


def _tensors(name: str, x: Number, y: Number) -> tuple[Tensor, Tensor]:
    """Both as tensors of one device."""
    if isinstance(x, Tensor):
        return x, y if isinstance(y, Tensor) else full_like(x, y)
    if not isinstance(y, Tensor):
        raise DTypeError(f"{name} takes at least one tensor, not {x!r} and {y!r}")
    return full_like(y, x), y
