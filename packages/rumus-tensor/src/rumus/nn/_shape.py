"""Layers that change nothing, or shapes alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from rumus._core.errors import ShapeError
from rumus._core.shapes import axis_of
from rumus.tensor._tensor import Tensor

from ._layer import Layer


class Identity(Layer):
    """What goes in comes out. It takes any arguments, and keeps none of them.

    Example:
        >>> from rumus.tensor import ones
        >>> Identity()(ones(2)).tolist()
        [1.0, 1.0]
    """

    takes_anything = True

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        """X itself."""
        return x


class Flatten(Layer):
    """Join neighbouring axes into one; by default all but the first, the batch.

    Args:
        start_axis: The first axis to join.
        end_axis: The last axis to join.

    Example:
        >>> from rumus.tensor import ones
        >>> Flatten()(ones(2, 3, 4)).shape
        (2, 12)
    """

    start_axis: int
    end_axis: int

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: Tensor) -> Tensor:
        """Join the axes."""
        return x.flatten(self.start_axis, self.end_axis)

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"


class Unflatten(Layer):
    """Part an axis into several.

    Args:
        axis: Which one.
        shape: What becomes of it; one length may be -1.

    Example:
        >>> from rumus.tensor import ones
        >>> Unflatten(1, (2, -1))(ones((3, 8))).shape
        (3, 2, 4)
    """

    axis: int
    shape: tuple[int, ...]

    def __init__(self, axis: int, shape: Sequence[int]) -> None:
        self.axis, self.shape = axis, tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Part the axis.

        Raises:
            IndexRangeError: There is no such axis.
            ShapeError: It has another length.
        """
        at = axis_of("Unflatten", self.axis, x.ndim)
        return x.reshape(*x.shape[:at], *_lengths(self.shape, x.shape[at]), *x.shape[at + 1 :])

    def extra_repr(self) -> str:
        """The axis and its shape."""
        return f"axis={self.axis}, shape={self.shape}"


def _lengths(shape: tuple[int, ...], length: int) -> tuple[int, ...]:
    """The shape with its -1 filled in, if its product is the length."""
    known = prod(n for n in shape if n != -1)
    rest = length // known if known > 0 else 0
    lengths = tuple(rest if n == -1 else n for n in shape)
    if shape.count(-1) > 1 or prod(lengths) != length:
        raise ShapeError(f"Unflatten: an axis of length {length} cannot become {shape}")
    return lengths
