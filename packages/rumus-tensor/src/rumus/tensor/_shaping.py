"""Views of a tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rumus._core.base import TensorBase, TensorT
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import axis_of, broadcast_shape, resolved_shape, shape_of, whole_numbers

from ._matrix import transpose
from ._ops.movement import Copy, Expand, Permute, Reshape


class Shaping(TensorBase[TensorT]):
    """Operations that arrange elements without changing them.

    All but :meth:`contiguous` share memory with the tensor where the layout allows it.
    """

    __slots__ = ()

    def reshape(self, *shape: int | Sequence[int]) -> TensorT:
        """The same elements in row-major order under another shape; one length may be -1.

        Raises:
            ShapeError: The elements do not fit the shape.
        """
        return Reshape(resolved_shape("reshape", _unpacked("reshape", shape), self.size))(self)

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> TensorT:
        """Join neighbouring axes into one, both ends included."""
        if not self.ndim:
            return self.reshape(1)
        first = axis_of("flatten", start_axis, self.ndim)
        last = axis_of("flatten", end_axis, self.ndim)
        if first > last:
            raise ArgumentError(f"flatten: axis {start_axis} comes after axis {end_axis}")
        joined = math.prod(self.shape[first : last + 1])
        return Reshape((*self.shape[:first], joined, *self.shape[last + 1 :]))(self)

    def squeeze(self, axis: int | None = None) -> TensorT:
        """Without axes of length one; all of them by default.

        Raises:
            ShapeError: The axis is longer.
        """
        if axis is None:
            return Reshape(tuple(n for n in self.shape if n != 1))(self)
        axis = axis_of("squeeze", axis, self.ndim)
        if self.shape[axis] != 1:
            raise ShapeError(f"squeeze: axis {axis} of shape {self.shape} has not length 1")
        return Reshape(self.shape[:axis] + self.shape[axis + 1 :])(self)

    def unsqueeze(self, axis: int) -> TensorT:
        """With a new axis of length one at a position."""
        axis = axis_of("unsqueeze", axis, self.ndim + 1)
        return Reshape((*self.shape[:axis], 1, *self.shape[axis:]))(self)

    def permute(self, *axes: int | Sequence[int]) -> TensorT:
        """Axis ``k`` of the result is axis ``axes[k]`` of the tensor.

        Raises:
            ArgumentError: An axis is missing, unknown or given twice.
        """
        listed = _unpacked("permute", axes)
        found = tuple(axis_of("permute", axis, self.ndim) for axis in listed)
        if sorted(found) != list(range(self.ndim)):
            raise ArgumentError(f"permute: {listed} are not the {self.ndim} axes, each once")
        return Permute(found)(self)

    def transpose(self, axis0: int = -2, axis1: int = -1) -> TensorT:
        """Two axes swapped; the last two by default."""
        first = axis_of("transpose", axis0, self.ndim)
        return transpose(self, first, axis_of("transpose", axis1, self.ndim))

    @property
    def T(self) -> TensorT:  # noqa: N802  as in numpy
        """All axes in reverse order."""
        return Permute(tuple(reversed(range(self.ndim))))(self)

    def expand(self, *shape: int | Sequence[int]) -> TensorT:
        """Broadcast to a shape by numpy's rules.

        Raises:
            ShapeError: The tensor does not broadcast to the shape, or a length is negative.
        """
        wanted = shape_of("expand", _unpacked("expand", shape))
        if broadcast_shape("expand", self.shape, wanted) != wanted:
            raise ShapeError(f"expand: shape {self.shape} does not broadcast to {wanted}")
        return Expand(wanted)(self)

    def contiguous(self) -> TensorT:
        """A copy in row-major order without gaps."""
        return Copy()(self)


def _unpacked(name: str, values: Sequence[Any]) -> tuple[int, ...]:
    """The numbers of ``f(2, 3)`` and of ``f((2, 3))``."""
    return whole_numbers(name, values[0] if len(values) == 1 else values)
