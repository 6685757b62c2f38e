"""Exponentials, logarithms, angles and hyperbolic functions of each element."""

from __future__ import annotations

from rumus._core.base import TensorBase, TensorT

from ._operand import Operand, apply


class Transcendental(TensorBase[TensorT]):
    """Functions right to a few units in the last place, with the same digits on every device."""

    __slots__ = ()

    # Exponentials and logarithms

    def exp(self) -> TensorT:
        """E to the power of each element.

        Example:
            >>> f"{tensor(1.0).exp():.4f}"
            '2.7183'
        """
        return apply("exp", self)

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

    def log(self) -> TensorT:
        """The natural logarithm; -inf of 0, NaN of negative numbers.

        Example:
            >>> f"{tensor(10.0).log():.4f}"
            '2.3026'
        """
        return apply("log", self)

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

    def sin(self) -> TensorT:
        """The sine, of radians.

        Example:
            >>> f"{tensor(0.5).sin():.4f}"
            '0.4794'
        """
        return apply("sin", self)

    def cos(self) -> TensorT:
        """The cosine, of radians.

        Example:
            >>> f"{tensor(0.5).cos():.4f}"
            '0.8776'
        """
        return apply("cos", self)

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

    # Hyperbolic functions

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

    def tanh(self) -> TensorT:
        """The hyperbolic tangent.

        Example:
            >>> f"{tensor(0.5).tanh():.4f}"
            '0.4621'
        """
        return apply("tanh", self)

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
