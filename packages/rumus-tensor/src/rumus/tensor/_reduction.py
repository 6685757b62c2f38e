"""Reductions of a tensor, and softmax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ._base import TensorBase
from ._elementwise import float32, is_float
from ._errors import ArgumentError
from ._matrix import transpose
from ._operand import apply
from ._ops._reduce import Reduce
from ._ops._rows import Softmax
from ._ops._shapes import Axes, axes_of, axis_of
from ._ops._views import Cast, Reshape

if TYPE_CHECKING:
    from ._tensor import Tensor


class Reduction(TensorBase):
    """Operations that shorten axes, or normalise along one."""

    __slots__ = ()

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The sum over axes; all of them by default. Integers and bools add up to int32."""
        return Reduce("sum", axes_of("sum", axis, self.ndim), keepdims)(self)

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The mean over axes, in floats; all of them by default. NaN where there is nothing."""
        axes = axes_of("mean", axis, self.ndim)
        return Reduce("mean", axes, keepdims)(self._in_floats())

    def var(self, axis: Axes = None, keepdims: bool = False, correction: int = 0) -> Tensor:
        """The variance over axes: squared distances from the mean over ``n - correction``."""
        axes = axes_of("var", axis, self.ndim)
        values = self._in_floats()
        distances = apply("squared_difference", values, values.mean(axes, keepdims=True))
        n = math.prod(self.shape[k] for k in axes)
        if correction == 0:
            return distances.mean(axes, keepdims)
        scale = 1.0 / (n - correction) if n > correction else math.nan
        return distances.sum(axes, keepdims) * scale

    def max(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The largest element over axes; NaN wins. Equal ones share the gradient.

        Raises:
            ArgumentError: There are no elements to choose from.
        """
        return self._extreme("max", axis, keepdims)

    def min(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The smallest element over axes; NaN wins. Equal ones share the gradient.

        Raises:
            ArgumentError: There are no elements to choose from.
        """
        return self._extreme("min", axis, keepdims)

    def all(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """Whether every element over axes is true (not zero)."""
        return apply("eq", apply("eq", self, 0).sum(axis, keepdims), 0)

    def any(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """Whether an element over axes is true (not zero)."""
        return apply("gt", apply("ne", self, 0).sum(axis, keepdims), 0)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """The position of the first largest element along an axis, int32.

        Without an axis, among all elements in row-major order.

        Raises:
            ArgumentError: There are no elements to choose from.
        """
        return self._position("argmax", axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """The position of the first smallest element; as :meth:`argmax`."""
        return self._position("argmin", axis, keepdims)

    def softmax(self, axis: int = -1) -> Tensor:
        """``exp(a)`` over its sum along an axis."""
        return self._softmax("softmax", axis, log=False)

    def log_softmax(self, axis: int = -1) -> Tensor:
        """The logarithm of :meth:`softmax`, without overflow or loss of precision."""
        return self._softmax("log_softmax", axis, log=True)

    def _in_floats(self) -> Tensor:
        return Cast(float32)(self) if not is_float(self.dtype) else self  # type: ignore[return-value]

    def _extreme(self, op: str, axis: Axes, keepdims: bool) -> Tensor:
        axes = axes_of(op, axis, self.ndim)
        self._check_choice(op, axes)
        return Reduce(op, axes, keepdims)(self)

    def _position(self, op: str, axis: int | None, keepdims: bool) -> Tensor:
        flat = self.detach() if axis is not None else Reshape((self.size,))(self).detach()
        chosen = 0 if axis is None else axis_of(op, axis, self.ndim)
        flat._check_choice(op, (chosen,))
        result = self._wrap(self._device.backend.arg_reduce(op, flat.array, chosen), self._device)
        if not keepdims:
            return result
        kept = [1 if axis is None or k == chosen else n for k, n in enumerate(self.shape)]
        return Reshape(tuple(kept))(result)

    def _check_choice(self, op: str, axes: tuple[int, ...]) -> None:
        if any(self.shape[k] == 0 for k in axes):
            raise ArgumentError(f"{op}: shape {self.shape} has no elements to choose from")

    def _softmax(self, name: str, axis: int, log: bool) -> Tensor:
        axis = axis_of(name, axis, self.ndim)
        last = self.ndim - 1
        values = self._in_floats()
        moved = values if axis == last else transpose(values, axis, last)
        classes = moved.shape[-1]
        rows = Reshape((math.prod(moved.shape[:-1]), classes))(moved)
        result = Reshape(moved.shape)(Softmax(log)(rows))
        return result if axis == last else transpose(result, axis, last)
