"""Operators of a tensor, signs and powers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from rumus._backends.table import comparison
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError, DTypeError

from ._matrix import matmul
from ._operand import Operand, apply, is_operand, operand
from ._ops.elementwise import Elementwise


class Arithmetic(TensorBase[TensorT]):
    """Elementwise operations, with numpy's broadcasting.

    Scalars are weak: an int keeps any numeric dtype, a float lifts integers and bools to float32.
    Integers and bools are compared with numbers as in mathematics, whatever their dtype can hold.
    """

    __slots__ = ()

    def __add__(self, other: Operand) -> TensorT:
        return self._binary("add", other)

    def __radd__(self, other: Operand) -> TensorT:
        return self._binary("add", other)

    def __sub__(self, other: Operand) -> TensorT:
        return self._binary("sub", other)

    def __rsub__(self, other: Operand) -> TensorT:
        return self._reflected("sub", other)

    def __mul__(self, other: Operand) -> TensorT:
        return self._binary("mul", other)

    def __rmul__(self, other: Operand) -> TensorT:
        return self._binary("mul", other)

    def __truediv__(self, other: Operand) -> TensorT:
        return self._binary("div", other)

    def __rtruediv__(self, other: Operand) -> TensorT:
        return self._reflected("div", other)

    def __pow__(self, other: Operand) -> TensorT:
        if isinstance(other, int) and other == 2:
            return self.square()
        exponent = other.item() if isinstance(other, np.integer) else other
        if isinstance(exponent, int) and exponent < 0 and not is_float(self.dtype):
            raise ArgumentError(
                f"integers have no negative powers such as {exponent}; "
                "turn the tensor into a float, as in a.to(float32) ** b, or take a float exponent"
            )
        return self._binary("pow", exponent)

    def __rpow__(self, other: Operand) -> TensorT:
        return self._reflected("pow", other)

    def __floordiv__(self, other: Operand) -> TensorT:
        return self._binary("floor_divide", other)

    def __rfloordiv__(self, other: Operand) -> TensorT:
        return self._reflected("floor_divide", other)

    def __mod__(self, other: Operand) -> TensorT:
        return self._binary("remainder", other)

    def __rmod__(self, other: Operand) -> TensorT:
        return self._reflected("remainder", other)

    def __divmod__(self, other: Operand) -> tuple[TensorT, TensorT]:
        return self // other, self % other

    def __rdivmod__(self, other: Operand) -> tuple[TensorT, TensorT]:
        return other // self, other % self

    def __matmul__(self, other: Operand) -> TensorT:
        return matmul(self, operand(self, other))

    def __rmatmul__(self, other: Operand) -> TensorT:
        return matmul(operand(self, other), self)

    def __neg__(self) -> TensorT:
        """``-a``.

        Example:
            >>> (-tensor([1, -2])).tolist()
            [-1, 2]
        """
        return apply("neg", self)

    def __pos__(self) -> TensorT:
        """``+a``, which is ``a``.

        Example:
            >>> (+tensor([1, -2])).tolist()
            [1, -2]
        """
        return self  # type: ignore[return-value]

    def __abs__(self) -> TensorT:
        return apply("abs", self)

    def __eq__(self, other: object) -> TensorT:  # type: ignore[override]
        return self._compared("eq", other)

    def __ne__(self, other: object) -> TensorT:  # type: ignore[override]
        return self._compared("ne", other)

    def __lt__(self, other: Operand) -> TensorT:
        return self._compared("lt", other)

    def __le__(self, other: Operand) -> TensorT:
        return self._compared("le", other)

    def __gt__(self, other: Operand) -> TensorT:
        return self._compared("gt", other)

    def __ge__(self, other: Operand) -> TensorT:
        return self._compared("ge", other)

    def __invert__(self) -> TensorT:
        """``~a``: the other bits of integers, the opposite of bools.

        Example:
            >>> (~tensor([1, -2])).tolist()
            [-2, 1]
        """
        return self._bits("not", "~")

    def __and__(self, other: Operand) -> TensorT:
        return self._bits("and", "&", other)

    def __rand__(self, other: Operand) -> TensorT:
        return self._bits("and", "&", other)

    def __or__(self, other: Operand) -> TensorT:
        return self._bits("or", "|", other)

    def __ror__(self, other: Operand) -> TensorT:
        return self._bits("or", "|", other)

    def __xor__(self, other: Operand) -> TensorT:
        return self._bits("xor", "^", other)

    def __rxor__(self, other: Operand) -> TensorT:
        return self._bits("xor", "^", other)

    def __lshift__(self, other: Operand) -> TensorT:
        return self._shifted("left_shift", "<<", self, other)

    def __rlshift__(self, other: Operand) -> TensorT:
        return self._shifted("left_shift", "<<", other, self)

    def __rshift__(self, other: Operand) -> TensorT:
        return self._shifted("right_shift", ">>", self, other)

    def __rrshift__(self, other: Operand) -> TensorT:
        return self._shifted("right_shift", ">>", other, self)

    __hash__: ClassVar[Callable[[Any], int]] = object.__hash__

    def _binary(self, op: str, other: Any) -> TensorT:
        if not is_operand(other):
            return NotImplemented  # type: ignore[no-any-return]
        return apply(op, self, other)

    def _compared(self, op: str, other: Any) -> TensorT:
        if not is_operand(other):
            return NotImplemented  # type: ignore[no-any-return]
        value = operand(self, other)
        if isinstance(value, (int, float)):
            op, value = comparison(op, self.dtype, value)
        return apply(op, self, value)

    def _bits(self, op: str, sign: str, *others: Operand) -> TensorT:
        """Of bools a logical row, of integers one of their bits."""
        operands, integers = self._whole(sign, self, *others)
        return Elementwise(f"{'bitwise' if integers else 'logical'}_{op}")(*operands)

    def _shifted(self, op: str, sign: str, a: Operand, b: Operand) -> TensorT:
        operands, integers = self._whole(sign, a, b)
        if not integers:
            raise DTypeError(f"{sign} takes integers, not bools")
        return Elementwise(op)(*operands)

    def _whole(self, sign: str, *given: Operand) -> tuple[list[TensorBase[TensorT] | float], bool]:
        """Operands without floats, and whether one is an integer."""
        operands = [operand(self, x) for x in given]
        integers = False
        for x in operands:
            dtype = x.dtype if isinstance(x, TensorBase) else np.dtype(type(x))
            if dtype.kind == "f":
                raise DTypeError(
                    f"{sign} takes bools or integers, not {dtype}; compare first, as in a != 0"
                )
            integers = integers or dtype.kind != "b"
        return operands, integers

    def _reflected(self, op: str, other: Any) -> TensorT:
        if not is_operand(other):
            return NotImplemented  # type: ignore[no-any-return]
        return Elementwise(op)(operand(self, other), self)

    # Signs and powers

    def pow(self, exponent: Operand) -> TensorT:
        """``a ** exponent``; of integers an integer, which wraps around.

        NaN for a negative base and a fractional exponent.

        Raises:
            ArgumentError: Both are integers, and an exponent is negative (on the GPU, one in a
                tensor is found when results are next read).

        Example:
            >>> tensor([2, 3]).pow(3).tolist()
            [8, 27]
        """
        return self**exponent

    def abs(self) -> TensorT:
        """The absolute value.

        Example:
            >>> tensor([-2, 3]).abs().tolist()
            [2, 3]
        """
        return apply("abs", self)

    def sign(self) -> TensorT:
        """-1, 0 or 1.

        Example:
            >>> tensor([-2.0, 0.0, 3.0]).sign().tolist()
            [-1.0, 0.0, 1.0]
        """
        return apply("sign", self)

    def square(self) -> TensorT:
        """``a * a``.

        Example:
            >>> tensor([-2, 3]).square().tolist()
            [4, 9]
        """
        return apply("square", self)

    def sqrt(self) -> TensorT:
        """The square root; NaN of negative numbers.

        Example:
            >>> tensor([4.0, 9.0]).sqrt().tolist()
            [2.0, 3.0]
        """
        return apply("sqrt", self)

    def rsqrt(self) -> TensorT:
        """One over the square root.

        Example:
            >>> tensor([4.0, 16.0]).rsqrt().tolist()
            [0.5, 0.25]
        """
        return apply("rsqrt", self)

    def reciprocal(self) -> TensorT:
        """``1 / a``.

        Example:
            >>> tensor([4.0, -2.0]).reciprocal().tolist()
            [0.25, -0.5]
        """
        return apply("reciprocal", self)
