"""Whether elements are something, and logic of such answers."""

from __future__ import annotations

from typing import Any

from rumus._core.base import TensorBase, TensorT

from ._operand import Operand, apply, operand
from ._ops.elementwise import Elementwise


class Logic(TensorBase[TensorT]):
    """Tests of each element, and logic."""

    __slots__ = ()

    def isnan(self) -> TensorT:
        """Whether each element is NaN.

        Example:
            >>> tensor([1.0, float("inf"), float("nan")]).isnan().tolist()
            [False, False, True]
        """
        return apply("isnan", self)

    def isinf(self) -> TensorT:
        """Whether each element is infinite.

        Example:
            >>> tensor([1.0, float("inf"), float("nan")]).isinf().tolist()
            [False, True, False]
        """
        return apply("isinf", self)

    def isfinite(self) -> TensorT:
        """Whether each element is neither NaN nor infinite.

        Example:
            >>> tensor([1.0, float("inf"), float("nan")]).isfinite().tolist()
            [True, False, False]
        """
        return apply("isfinite", self)

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
        close: Any = Logic.isclose(self, other, rtol, atol, equal_nan)
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
