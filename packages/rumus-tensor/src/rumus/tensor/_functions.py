"""Elementwise methods beyond arithmetic: transcendental functions, rounding, tests, choice."""

from __future__ import annotations

from typing import Any

import numpy as np

from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError

from ._aliases import check_out
from ._operand import Operand, apply, operand
from ._ops.elementwise import Elementwise


class Functions(TensorBase[TensorT]):
    """Functions of each element, right to a few units in the last place on every device."""

    __slots__ = ()

    # Exponentials and logarithms

    def exp2(self) -> TensorT:
        """2 to the power of each element."""
        return apply("exp2", self)

    def expm1(self) -> TensorT:
        """``exp(a) - 1``, with its digits where ``a`` is near 0."""
        return apply("expm1", self)

    def log1p(self) -> TensorT:
        """``log(1 + a)``, with its digits where ``a`` is near 0; -inf of -1, NaN below."""
        return apply("log1p", self)

    def log2(self) -> TensorT:
        """The binary logarithm; -inf of 0, NaN of negative numbers."""
        return apply("log2", self)

    def log10(self) -> TensorT:
        """The decimal logarithm; -inf of 0, NaN of negative numbers."""
        return apply("log10", self)

    def logaddexp(self, other: Operand) -> TensorT:
        """``log(exp(a) + exp(b))``, without overflow."""
        return apply("logaddexp", self, other)

    def erf(self) -> TensorT:
        """The error function: ``2 / sqrt(pi)`` times the integral of ``exp(-x**2)`` up to ``a``."""
        return apply("erf", self)

    def erfc(self) -> TensorT:
        """``1 - erf(a)``, with its digits in the tail."""
        return apply("erfc", self)

    # Angles

    def tan(self) -> TensorT:
        """The tangent, of radians."""
        return apply("tan", self)

    def asin(self) -> TensorT:
        """The angle whose sine is ``a``, in radians; NaN outside of [-1, 1]."""
        return apply("asin", self)

    def acos(self) -> TensorT:
        """The angle whose cosine is ``a``, in radians; NaN outside of [-1, 1]."""
        return apply("acos", self)

    def atan(self) -> TensorT:
        """The angle whose tangent is ``a``, in radians."""
        return apply("atan", self)

    def atan2(self, other: Operand) -> TensorT:
        """The angle of the point ``(other, a)`` in radians, from -pi to pi."""
        return apply("atan2", self, other)

    def hypot(self, other: Operand) -> TensorT:
        """``sqrt(a**2 + b**2)``, without overflow."""
        return apply("hypot", self, other)

    def sinh(self) -> TensorT:
        """The hyperbolic sine."""
        return apply("sinh", self)

    def cosh(self) -> TensorT:
        """The hyperbolic cosine."""
        return apply("cosh", self)

    def asinh(self) -> TensorT:
        """The number whose hyperbolic sine is ``a``."""
        return apply("asinh", self)

    def acosh(self) -> TensorT:
        """The number above 0 whose hyperbolic cosine is ``a``; NaN below 1."""
        return apply("acosh", self)

    def atanh(self) -> TensorT:
        """The number whose hyperbolic tangent is ``a``; NaN outside of [-1, 1]."""
        return apply("atanh", self)

    # Whole numbers

    def ceil(self) -> TensorT:
        """The smallest whole number that is not below each element."""
        return apply("ceil", self)

    def trunc(self) -> TensorT:
        """The whole number next to each element on the side of 0."""
        return apply("trunc", self)

    def round(self, decimals: int = 0, out: None = None) -> TensorT:
        """The number of so many decimals next to each element, the even one of two.

        Args:
            decimals: Digits behind the point; negative ones before it. Integers take 0 alone.
            out: None, as ``numpy.round`` passes it.

        Raises:
            ArgumentError: Integers cannot have so many decimals.
        """
        check_out("round", out)
        if not decimals:
            return apply("round", self)
        if not is_float(self.dtype):
            raise ArgumentError(
                f"round: decimals={decimals} of a {self.dtype} tensor; cast it to float32 first"
            )
        scale = 10.0 ** abs(decimals)
        up, down = ("mul", "div") if decimals > 0 else ("div", "mul")
        scaled: Any = apply(up, self, scale)
        rounded: Any = apply("round", scaled)
        result: TensorT = apply(down, rounded, scale)
        return result

    def floor_divide(self, other: Operand) -> TensorT:
        """``floor(a / b)``, as ``a // b``; of integers 0 where ``b`` is 0."""
        return apply("floor_divide", self, other)

    def remainder(self, other: Operand) -> TensorT:
        """``a - b * floor(a / b)`` without rounding, as ``a % b``: its sign is that of ``b``.

        Where ``b`` is 0 it is NaN, of integers 0.
        """
        return apply("remainder", self, other)

    def fmod(self, other: Operand) -> TensorT:
        """``a - b * trunc(a / b)`` without rounding: its sign is that of ``a``.

        Where ``b`` is 0 it is NaN, of integers 0.
        """
        return apply("fmod", self, other)

    # Signs and choice

    def copysign(self, other: Operand) -> TensorT:
        """The size of ``a`` with the sign of ``other``, which 0 and NaN have too."""
        return apply("copysign", self, other)

    def maximum(self, other: Operand) -> TensorT:
        """The larger of two elements, NaN if one is.

        Equal ones share the gradient; where one is NaN, both get it whole.
        """
        return apply("maximum", self, other)

    def minimum(self, other: Operand) -> TensorT:
        """The smaller of two elements, NaN if one is; its gradient is as in :meth:`maximum`."""
        return apply("minimum", self, other)

    def clip(
        self, min: Operand | None = None, max: Operand | None = None, out: None = None
    ) -> TensorT:
        """Each element moved into ``[min, max]``, numbers or tensors; NaN stays NaN.

        Raises:
            ArgumentError: The number ``min`` is above ``max``.
        """
        check_out("clip", out)
        if min is None and max is None:
            return self  # type: ignore[return-value]
        return self.clamp(min, max)  # type: ignore[attr-defined, no-any-return]

    def lerp(self, end: Operand, weight: Operand) -> TensorT:
        """``a + weight * (end - a)``; exactly ``end`` for the weight 1."""
        return apply("lerp", self, end, weight)

    def nan_to_num(
        self, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> TensorT:
        """NaN and infinities replaced by numbers.

        Args:
            nan: What stands for NaN.
            posinf: What stands for infinity, by default the largest number of the dtype.
            neginf: What stands for minus infinity, by default the lowest number of the dtype.
        """
        if not is_float(self.dtype):
            return self  # type: ignore[return-value]
        largest = float(np.finfo(self.dtype).max)
        above = largest if posinf is None else float(posinf)
        below = -largest if neginf is None else float(neginf)
        return apply("nan_to_num", self, float(nan), above, below)

    # Tests

    def isinf(self) -> TensorT:
        """Whether each element is infinite."""
        return apply("isinf", self)

    def signbit(self) -> TensorT:
        """Whether the sign of each element is negative; -0 and NaN have one too."""
        return apply("signbit", self)

    def isclose(
        self, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> TensorT:
        """Whether ``|a - b| <= atol + rtol * |b|``, in float32; infinities equal themselves.

        Args:
            other: ``b``, a tensor that broadcasts, or a number.
            rtol: How far apart they may be, in parts of ``|b|``.
            atol: How far apart they may be beside that.
            equal_nan: Whether NaN is close to NaN.
        """
        b = operand(self, other)
        close: Any = Elementwise("isclose")(self, b, float(rtol), float(atol))
        if equal_nan:
            close = apply("logical_or", close, Elementwise("matches")(self, b))
        answer: TensorT = close
        return answer

    def allclose(
        self, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> bool:
        """Whether all elements are close, as in :meth:`isclose`; waits for the device."""
        close: Any = Functions.isclose(self, other, rtol, atol, equal_nan)
        return bool(close.all())

    def logical_not(self) -> TensorT:
        """Whether each element is false (zero)."""
        return apply("logical_not", self)

    def logical_and(self, other: Operand) -> TensorT:
        """Whether both elements are true (not zero)."""
        return apply("logical_and", self, other)

    def logical_or(self, other: Operand) -> TensorT:
        """Whether an element of the two is true (not zero)."""
        return apply("logical_or", self, other)

    def logical_xor(self, other: Operand) -> TensorT:
        """Whether one element of the two is true (not zero), and the other is not."""
        return apply("logical_xor", self, other)
