"""Tensors taken apart, along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from rumus._core.base import TensorBase, TensorT
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import (
    axis_of,
    whole_number,
    whole_numbers,
)

from ._aliases import Aliases, axis_alias
from ._ops.movement import Reshape, Slice


def split(
    x: TensorBase[TensorT],
    indices_or_sections: int | Sequence[int],
    axis: int = 0,
    **aliases: Unpack[Aliases],
) -> tuple[TensorT, ...]:
    """Views of parts along an axis, cut as numpy cuts (PyTorch's ``split(size)`` differs).

    Args:
        x: Any tensor.
        indices_or_sections: The number of equal parts, or the positions at which to cut.
        axis: Also ``dim``.

    Raises:
        ShapeError: The axis has no so many equal parts; :func:`chunk` makes a shorter last one.

    Example:
        >>> from rumus.tensor import arange
        >>> [part.tolist() for part in split(arange(5), [1, 3])]
        [[0], [1, 2], [3, 4]]
    """
    axis = axis_of("split", axis_alias("split", aliases, axis, 0) if aliases else axis, x.ndim)
    n = x.shape[axis]
    if isinstance(indices_or_sections, Sequence):
        cuts = [slice(c, None).indices(n)[0] for c in whole_numbers("split", indices_or_sections)]
        starts, stops = [0, *cuts], [*cuts, n]
        return tuple(cut(x, axis, a, max(a, b)) for a, b in zip(starts, stops, strict=True))
    parts = whole_number("split", indices_or_sections)
    if parts < 1 or n % parts:
        raise ShapeError(
            f"split: an axis of length {n} has no {parts} equal parts; give the positions to cut "
            "at, or take chunk()"
        )
    return tuple(cut(x, axis, k * (n // parts), (k + 1) * (n // parts)) for k in range(parts))


def chunk(
    x: TensorBase[TensorT], chunks: int, axis: int = 0, **aliases: Unpack[Aliases]
) -> tuple[TensorT, ...]:
    """Views of at most so many parts along an axis (also ``dim``), the last one maybe shorter.

    Raises:
        ArgumentError: The number is not positive.

    Example:
        >>> [part.tolist() for part in chunk(tensor([1, 2, 3]), 2)]
        [[1, 2], [3]]
    """
    axis = axis_of("chunk", axis_alias("chunk", aliases, axis, 0) if aliases else axis, x.ndim)
    if whole_number("chunk", chunks) < 1:
        raise ArgumentError(f"chunk makes at least one part, not {chunks}")
    n = x.shape[axis]
    size = max(-(-n // chunks), 1)
    return tuple(cut(x, axis, a, min(a + size, n)) for a in range(0, max(n, 1), size))


def unbind(
    x: TensorBase[TensorT], axis: int = 0, **aliases: Unpack[Aliases]
) -> tuple[TensorT, ...]:
    """Views of the parts at each position along an axis (also ``dim``), which they do not have.

    Example:
        >>> [row.tolist() for row in unbind(tensor([[1, 2], [3, 4]]))]
        [[1, 2], [3, 4]]
    """
    axis = axis_of("unbind", axis_alias("unbind", aliases, axis, 0) if aliases else axis, x.ndim)
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    return tuple(Reshape(shape)(cut(x, axis, k, k + 1)) for k in range(x.shape[axis]))


def unstack(x: TensorBase[TensorT], axis: int = 0) -> tuple[TensorT, ...]:
    """The array API's name of :func:`unbind`.

    Example:
        >>> [row.tolist() for row in unstack(tensor([[1, 2], [3, 4]]))]
        [[1, 2], [3, 4]]
    """
    return unbind(x, axis)


def cut(x: Any, axis: int, start: int, stop: int) -> Any:
    """The part of a tensor between two positions of an axis."""
    whole = [slice(0, n, 1) for n in x.shape]
    whole[axis] = slice(start, stop, 1)
    return Slice(whole)(x)
