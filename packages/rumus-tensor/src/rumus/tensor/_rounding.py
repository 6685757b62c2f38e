"""Whole numbers of each element, and what a division leaves."""

from __future__ import annotations

from typing import Any

from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError

from ._aliases import check_out
from ._operand import Operand, apply


class Rounding(TensorBase[TensorT]):
    """Rounding, and division with a remainder."""

    __slots__ = ()

    def floor(self) -> TensorT:
        """The largest whole number that is not above each element.

        Example:
            >>> tensor([-1.5, 1.5]).floor().tolist()
            [-2.0, 1.0]
        """
        return apply("floor", self)

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
