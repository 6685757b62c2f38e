"""Reductions of a tensor, and softmax."""

from __future__ import annotations

import math
from typing import Any

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import float16, float32, is_float
from rumus._core.errors import ArgumentError
from rumus._core.shapes import Axes, axes_of, axis_of

from ._matrix import transpose
from ._operand import apply
from ._ops.movement import Cast, Reshape
from ._ops.reduce import Reduce
from ._ops.rows import Softmax


class Reduction(TensorBase[TensorT]):
    """Operations that shorten axes, or normalise along one."""

    __slots__ = ()

    def sum(self, axis: Axes = None, keepdims: bool = False) -> TensorT:
        """The sum over axes; all of them by default. Integers and bools add up to int32."""
        return Reduce("sum", axes_of("sum", axis, self.ndim), keepdims)(self)

    def mean(self, axis: Axes = None, keepdims: bool = False) -> TensorT:
        """The mean over axes, in floats; all of them by default. NaN where there is nothing."""
        axes = axes_of("mean", axis, self.ndim)
        return Reduce("mean", axes, keepdims)(self._in_floats())

    def var(self, axis: Axes = None, keepdims: bool = False, correction: int = 0) -> TensorT:
        """The variance over axes: squared distances from the mean over ``n - correction``.

        Computed in float32; of float16 it is rounded once, at the end.
        """
        axes = axes_of("var", axis, self.ndim)
        values = self if self.dtype == float32 else Cast(float32)(self)
        distances = apply("squared_difference", values, Reduce("mean", axes, True)(values))
        n = math.prod(self.shape[k] for k in axes)
        result: Any
        if correction == 0:
            result = Reduce("mean", axes, keepdims)(distances)
        else:
            scale = 1.0 / (n - correction) if n > correction else math.nan
            result = Reduce("sum", axes, keepdims)(distances) * scale
        if self.dtype == float16:
            result = Cast(float16)(result)
        variance: TensorT = result
        return variance

    def max(self, axis: Axes = None, keepdims: bool = False) -> TensorT:
        """The largest element over axes; NaN wins. Equal ones, or the NaNs, share the gradient.

        Raises:
            ArgumentError: There are no elements to choose from.
        """
        return self._extreme("max", axis, keepdims)

    def min(self, axis: Axes = None, keepdims: bool = False) -> TensorT:
        """The smallest element over axes; NaN wins. Equal ones, or the NaNs, share the gradient.

        Raises:
            ArgumentError: There are no elements to choose from.
        """
        return self._extreme("min", axis, keepdims)

    def all(self, axis: Axes = None, keepdims: bool = False) -> TensorT:
        """Whether every element over axes is true (not zero)."""
        zeros = Reduce("sum", axes_of("all", axis, self.ndim), keepdims)(apply("eq", self, 0))
        answer: TensorT = apply("eq", zeros, 0)
        return answer

    def any(self, axis: Axes = None, keepdims: bool = False) -> TensorT:
        """Whether an element over axes is true (not zero)."""
        others = Reduce("sum", axes_of("any", axis, self.ndim), keepdims)(apply("ne", self, 0))
        answer: TensorT = apply("gt", others, 0)
        return answer

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> TensorT:
        """The position of the first largest element along an axis, int32.

        Without an axis, among all elements in row-major order.

        Raises:
            ArgumentError: There are no elements to choose from.
        """
        return self._position("argmax", axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> TensorT:
        """The position of the first smallest element; as :meth:`argmax`."""
        return self._position("argmin", axis, keepdims)

    def softmax(self, axis: int = -1) -> TensorT:
        """``exp(a)`` over its sum along an axis."""
        return self._softmax("softmax", axis, log=False)

    def log_softmax(self, axis: int = -1) -> TensorT:
        """The logarithm of :meth:`softmax`, without overflow or loss of precision."""
        return self._softmax("log_softmax", axis, log=True)

    def _in_floats(self) -> TensorBase[TensorT]:
        if is_float(self.dtype):
            return self
        return Cast(float32)(self)

    def _extreme(self, op: str, axis: Axes, keepdims: bool) -> TensorT:
        axes = axes_of(op, axis, self.ndim)
        _check_choice(op, self.shape, axes)
        return Reduce(op, axes, keepdims)(self)

    def _position(self, op: str, axis: int | None, keepdims: bool) -> TensorT:
        flat = self.detach() if axis is not None else Reshape((self.size,))(self).detach()
        chosen = 0 if axis is None else axis_of(op, axis, self.ndim)
        _check_choice(op, flat.shape, (chosen,))
        result = self._wrap(
            backend_of(self._device).arg_reduce(op, flat.array, chosen), self._device
        )
        if not keepdims:
            return result
        kept = [1 if axis is None or k == chosen else n for k, n in enumerate(self.shape)]
        whole: TensorT = Reshape(tuple(kept))(result)
        return whole

    def _softmax(self, name: str, axis: int, log: bool) -> TensorT:
        axis = axis_of(name, axis, self.ndim)
        last = self.ndim - 1
        values = self._in_floats()
        moved: Any = values if axis == last else transpose(values, axis, last)
        classes = moved.shape[-1]
        rows = Reshape((math.prod(moved.shape[:-1]), classes))(moved)
        result: TensorT = Reshape(moved.shape)(Softmax(log)(rows))
        return result if axis == last else transpose(result, axis, last)


def _check_choice(op: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    if any(shape[k] == 0 for k in axes):
        raise ArgumentError(f"{op}: shape {shape} has no elements to choose from")
