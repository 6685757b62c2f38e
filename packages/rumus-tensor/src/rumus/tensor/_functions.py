"""Elementwise methods beyond arithmetic: transcendental functions, rounding, tests, choice."""

from __future__ import annotations

from typing import Any

import numpy as np

from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import float16, is_float
from rumus._core.errors import ArgumentError, DTypeError

from ._aliases import check_out
from ._operand import Operand, apply, operand
from ._ops.elementwise import Elementwise


class Functions(TensorBase[TensorT]):
    """Functions of each element, right to a few units in the last place on every device."""

    __slots__ = ()

    # Exponentials and logarithms

    def exp2(self) -> TensorT:
        """2 to the power of each element.

        Example:
            >>> tensor([0.0, 3.0]).exp2().tolist()
            [1.0, 8.0]
        """
        return apply("exp2", self)

    def expm1(self) -> TensorT:
        """``exp(a) - 1``, with its digits where ``a`` is near 0.

        Example:
            >>> f"{tensor(1e-6).expm1():.6e}"
            '1.000000e-06'
        """
        return apply("expm1", self)

    def log1p(self) -> TensorT:
        """``log(1 + a)``, with its digits where ``a`` is near 0; -inf of -1, NaN below.

        Example:
            >>> f"{tensor(1e-6).log1p():.6e}"
            '9.999995e-07'
        """
        return apply("log1p", self)

    def log2(self) -> TensorT:
        """The binary logarithm; -inf of 0, NaN of negative numbers.

        Example:
            >>> tensor([1.0, 8.0]).log2().tolist()
            [0.0, 3.0]
        """
        return apply("log2", self)

    def log10(self) -> TensorT:
        """The decimal logarithm; -inf of 0, NaN of negative numbers.

        Example:
            >>> tensor([1.0, 100.0]).log10().tolist()
            [0.0, 2.000000238418579]
        """
        return apply("log10", self)

    def logaddexp(self, other: Operand) -> TensorT:
        """``log(exp(a) + exp(b))``, without overflow.

        Example:
            >>> f"{tensor(0.0).logaddexp(0.0):.4f}"
            '0.6931'
        """
        return apply("logaddexp", self, other)

    def erf(self) -> TensorT:
        """The error function: ``2 / sqrt(pi)`` times the integral of ``exp(-x**2)`` up to ``a``.

        Example:
            >>> f"{tensor(0.5).erf():.4f}"
            '0.5205'
        """
        return apply("erf", self)

    def erfc(self) -> TensorT:
        """``1 - erf(a)``, with its digits in the tail.

        Example:
            >>> f"{tensor(0.5).erfc():.4f}"
            '0.4795'
        """
        return apply("erfc", self)

    # Angles

    def tan(self) -> TensorT:
        """The tangent, of radians.

        Example:
            >>> f"{tensor(0.5).tan():.4f}"
            '0.5463'
        """
        return apply("tan", self)

    def asin(self) -> TensorT:
        """The angle whose sine is ``a``, in radians; NaN outside of [-1, 1].

        Example:
            >>> f"{tensor(0.5).asin():.4f}"
            '0.5236'
        """
        return apply("asin", self)

    def acos(self) -> TensorT:
        """The angle whose cosine is ``a``, in radians; NaN outside of [-1, 1].

        Example:
            >>> f"{tensor(0.5).acos():.4f}"
            '1.0472'
        """
        return apply("acos", self)

    def atan(self) -> TensorT:
        """The angle whose tangent is ``a``, in radians.

        Example:
            >>> f"{tensor(0.5).atan():.4f}"
            '0.4636'
        """
        return apply("atan", self)

    def atan2(self, other: Operand) -> TensorT:
        """The angle of the point ``(other, a)`` in radians, from -pi to pi.

        Example:
            >>> f"{tensor(1.0).atan2(-1.0):.4f}"
            '2.3562'
        """
        return apply("atan2", self, other)

    def hypot(self, other: Operand) -> TensorT:
        """``sqrt(a**2 + b**2)``, without overflow.

        Example:
            >>> tensor([3.0, 5.0]).hypot(tensor([4.0, 12.0])).tolist()
            [5.0, 13.0]
        """
        return apply("hypot", self, other)

    def sinh(self) -> TensorT:
        """The hyperbolic sine.

        Example:
            >>> f"{tensor(0.5).sinh():.4f}"
            '0.5211'
        """
        return apply("sinh", self)

    def cosh(self) -> TensorT:
        """The hyperbolic cosine.

        Example:
            >>> f"{tensor(0.5).cosh():.4f}"
            '1.1276'
        """
        return apply("cosh", self)

    def asinh(self) -> TensorT:
        """The number whose hyperbolic sine is ``a``.

        Example:
            >>> f"{tensor(0.5).asinh():.4f}"
            '0.4812'
        """
        return apply("asinh", self)

    def acosh(self) -> TensorT:
        """The number above 0 whose hyperbolic cosine is ``a``; NaN below 1.

        Example:
            >>> f"{tensor(1.5).acosh():.4f}"
            '0.9624'
        """
        return apply("acosh", self)

    def atanh(self) -> TensorT:
        """The number whose hyperbolic tangent is ``a``; NaN outside of [-1, 1].

        Example:
            >>> f"{tensor(0.5).atanh():.4f}"
            '0.5493'
        """
        return apply("atanh", self)

    # Whole numbers

    def ceil(self) -> TensorT:
        """The smallest whole number that is not below each element.

        Example:
            >>> tensor([-1.5, 1.5]).ceil().tolist()
            [-1.0, 2.0]
        """
        return apply("ceil", self)

    def trunc(self) -> TensorT:
        """The whole number next to each element on the side of 0.

        Example:
            >>> tensor([-1.5, 1.5]).trunc().tolist()
            [-1.0, 1.0]
        """
        return apply("trunc", self)

    def round(self, decimals: int = 0, out: None = None) -> TensorT:
        """The number of so many decimals next to each element, the even one of two.

        Args:
            decimals: Digits behind the point; negative ones before it. Integers take 0 alone.
            out: None, as ``numpy.round`` passes it.

        Raises:
            ArgumentError: Integers cannot have so many decimals.

        Example:
            >>> tensor([0.5, 1.5, 2.25]).round().tolist()
            [0.0, 2.0, 2.0]
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
        """``floor(a / b)``, as ``a // b``; of integers 0 where ``b`` is 0.

        Example:
            >>> tensor([7, -7]).floor_divide(2).tolist()
            [3, -4]
        """
        return apply("floor_divide", self, other)

    def remainder(self, other: Operand) -> TensorT:
        """``a - b * floor(a / b)`` without rounding, as ``a % b``: its sign is that of ``b``.

        Where ``b`` is 0 it is NaN, of integers 0.

        Example:
            >>> tensor([7, -7]).remainder(3).tolist()
            [1, 2]
        """
        return apply("remainder", self, other)

    def fmod(self, other: Operand) -> TensorT:
        """``a - b * trunc(a / b)`` without rounding: its sign is that of ``a``.

        Where ``b`` is 0 it is NaN, of integers 0.

        Example:
            >>> tensor([7, -7]).fmod(3).tolist()
            [1, -1]
        """
        return apply("fmod", self, other)

    # Signs and choice

    def nextafter(self, other: Operand) -> TensorT:
        """The float32 next to ``a`` on the way to ``other``; the gradient is that of ``a``.

        Raises:
            DTypeError: One is float16, whose neighbours are further away.
        """
        for x in (self, other):
            if getattr(x, "dtype", None) == float16:
                raise DTypeError("nextafter takes float32, not float16; convert with .to(float32)")
        return apply("nextafter", self, other)

    def copysign(self, other: Operand) -> TensorT:
        """The size of ``a`` with the sign of ``other``, which 0 and NaN have too.

        Example:
            >>> tensor([1.0, -2.0]).copysign(-1.0).tolist()
            [-1.0, -2.0]
        """
        return apply("copysign", self, other)

    def maximum(self, other: Operand) -> TensorT:
        """The larger of two elements, NaN if one is.

        Equal ones share the gradient; where one is NaN, both get it whole.

        Example:
            >>> tensor([1, 5]).maximum(3).tolist()
            [3, 5]
        """
        return apply("maximum", self, other)

    def minimum(self, other: Operand) -> TensorT:
        """The smaller of two elements, NaN if one is; its gradient is as in :meth:`maximum`.

        Example:
            >>> tensor([1, 5]).minimum(3).tolist()
            [1, 3]
        """
        return apply("minimum", self, other)

    def clip(
        self, min: Operand | None = None, max: Operand | None = None, out: None = None
    ) -> TensorT:
        """Each element moved into ``[min, max]``, numbers or tensors; NaN stays NaN.

        Raises:
            ArgumentError: The number ``min`` is above ``max``.

        Example:
            >>> tensor([-2, 0, 5]).clip(-1, 1).tolist()
            [-1, 0, 1]
        """
        check_out("clip", out)
        if min is None and max is None:
            return self  # type: ignore[return-value]
        return self.clamp(min, max)  # type: ignore[attr-defined, no-any-return]

    def lerp(self, end: Operand, weight: Operand) -> TensorT:
        """``a + weight * (end - a)``; exactly ``end`` for the weight 1.

        Example:
            >>> tensor([0.0, 10.0]).lerp(tensor([1.0, 20.0]), 0.5).tolist()
            [0.5, 15.0]
        """
        return apply("lerp", self, end, weight)

    def nan_to_num(
        self, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> TensorT:
        """NaN and infinities replaced by numbers.

        Args:
            nan: What stands for NaN.
            posinf: What stands for infinity, by default the largest number of the dtype.
            neginf: What stands for minus infinity, by default the lowest number of the dtype.

        Example:
            >>> tensor([1.0, float("nan")]).nan_to_num(0.0).tolist()
            [1.0, 0.0]
        """
        if not is_float(self.dtype):
            return self  # type: ignore[return-value]
        largest = float(np.finfo(self.dtype).max)
        above = largest if posinf is None else float(posinf)
        below = -largest if neginf is None else float(neginf)
        return apply("nan_to_num", self, float(nan), above, below)

    # Tests

    def isinf(self) -> TensorT:
        """Whether each element is infinite.

        Example:
            >>> tensor([1.0, float("inf"), float("nan")]).isinf().tolist()
            [False, True, False]
        """
        return apply("isinf", self)

    def signbit(self) -> TensorT:
        """Whether the sign of each element is negative; -0 and NaN have one too.

        Example:
            >>> tensor([-0.0, 0.0, -3.0]).signbit().tolist()
            [True, False, True]
        """
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

        Example:
            >>> tensor([1.0, 2.0]).isclose(tensor([1.0, 2.1])).tolist()
            [True, False]
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
        """Whether all elements are close, as in :meth:`isclose`; waits for the device.

        Example:
            >>> tensor([1.0, 2.0]).allclose(tensor([1.0, 2.000001]))
            True
        """
        close: Any = Functions.isclose(self, other, rtol, atol, equal_nan)
        return bool(close.all())

    def logical_not(self) -> TensorT:
        """Whether each element is false (zero).

        Example:
            >>> tensor([0, 2]).logical_not().tolist()
            [True, False]
        """
        return apply("logical_not", self)

    def logical_and(self, other: Operand) -> TensorT:
        """Whether both elements are true (not zero).

        Example:
            >>> tensor([True, True]).logical_and(tensor([True, False])).tolist()
            [True, False]
        """
        return apply("logical_and", self, other)

    def logical_or(self, other: Operand) -> TensorT:
        """Whether an element of the two is true (not zero).

        Example:
            >>> tensor([False, True]).logical_or(tensor([False, False])).tolist()
            [False, True]
        """
        return apply("logical_or", self, other)

    def logical_xor(self, other: Operand) -> TensorT:
        """Whether one element of the two is true (not zero), and the other is not.

        Example:
            >>> tensor([True, True]).logical_xor(tensor([True, False])).tolist()
            [False, True]
        """
        return apply("logical_xor", self, other)
