"""The larger and smaller of elements, and elements moved between bounds."""

from __future__ import annotations

import numpy as np

from rumus._backends.table import dtypes_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import extremes, float16, is_float
from rumus._core.errors import ArgumentError, DTypeError

from ._aliases import check_out
from ._operand import Operand, apply, operand


class Limiting(TensorBase[TensorT]):
    """Bounds, signs and neighbours of each element."""

    __slots__ = ()

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

    def clamp(self, min: Operand | None = None, max: Operand | None = None) -> TensorT:
        """Each element moved into ``[min, max]``, numbers or tensors; NaN stays NaN.

        The whole gradient flows where an element was not moved, at the bounds and for NaN too.

        Raises:
            ArgumentError: Both bounds are missing, or the number ``min`` is above ``max``.

        Example:
            >>> tensor([-2, 0, 5]).clamp(min=-1).tolist()
            [-1, 0, 5]
        """
        if min is None and max is None:
            raise ArgumentError("clamp needs min, max or both")
        numbers = isinstance(min, (int, float)) and isinstance(max, (int, float))
        if numbers and min > max:  # type: ignore[operator]
            raise ArgumentError(f"clamp: min {min} is above max {max}")
        given = [operand(self, bound) for bound in (min, max) if bound is not None]
        kinds = [bound.dtype if isinstance(bound, TensorBase) else type(bound) for bound in given]
        if any(isinstance(bound, TensorBase) for bound in given):
            above = self if min is None else apply("maximum", self, min)
            return above if max is None else apply("minimum", above, max)  # type: ignore[return-value]
        lowest, highest = extremes(dtypes_of("clamp", [self.dtype, *kinds])[0])
        return apply("clamp", self, lowest if min is None else min, highest if max is None else max)

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
        return self.clamp(min, max)

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

    def copysign(self, other: Operand) -> TensorT:
        """The size of ``a`` with the sign of ``other``, which 0 and NaN have too.

        Example:
            >>> tensor([1.0, -2.0]).copysign(-1.0).tolist()
            [-1.0, -2.0]
        """
        return apply("copysign", self, other)

    def nextafter(self, other: Operand) -> TensorT:
        """The float32 next to ``a`` on the way to ``other``; the gradient is that of ``a``.

        Raises:
            DTypeError: One is float16, whose neighbours are further away.
        """
        for x in (self, other):
            if getattr(x, "dtype", None) == float16:
                raise DTypeError("nextafter takes float32, not float16; convert with .to(float32)")
        return apply("nextafter", self, other)
