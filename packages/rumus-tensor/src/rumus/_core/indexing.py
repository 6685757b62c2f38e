"""What ``tensor[…]`` means."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np

from .errors import IndexRangeError

Item = int | slice | EllipsisType | None
Index = Any
"""An :data:`Item`, an array-like of integers or a mask, or a tuple of such."""


def is_basic(index: Any) -> bool:
    """Whether an index is made of integers, slices, None and ... alone: the result is a view."""
    for item in index if type(index) is tuple else (index,):
        if not (item is None or item is Ellipsis or isinstance(item, slice) or _is_int(item)):
            return False
    return True


def resolve(index: Any, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[int, ...]]:
    """A resolved slice for every axis, and the shape after integers took and None added axes.

    Args:
        index: One for which :func:`is_basic` holds.
        shape: What is indexed.

    Raises:
        IndexRangeError: An item is out of range, or there are too many.
    """
    items = index if isinstance(index, tuple) else (index,)
    used = sum(item is not None and item is not Ellipsis for item in items)
    if used > len(shape) or sum(item is Ellipsis for item in items) > 1:
        raise IndexRangeError(f"index {index!r} does not fit shape {shape}")
    slices: list[slice] = []
    kept: list[int] = []
    for item in items if any(item is Ellipsis for item in items) else (*items, Ellipsis):
        axis = len(slices)
        if item is None:
            kept.append(1)
        elif item is Ellipsis:
            rest = shape[axis : axis + len(shape) - used]
            slices.extend(slice(0, n, 1) for n in rest)
            kept.extend(rest)
        elif isinstance(item, slice):
            resolved = resolved_slice(item, shape[axis])
            slices.append(resolved)
            kept.append(len(range(resolved.start, resolved.stop, resolved.step)))
        else:
            slices.append(one(int(item), axis, shape))
    return tuple(slices), tuple(kept)


def _is_int(item: object) -> bool:
    return isinstance(item, (int, np.integer)) and not isinstance(item, bool)


def resolved_slice(item: slice, length: int) -> slice:
    """A slice with its bounds counted from the front, by ``slice.indices``."""
    try:
        return slice(*item.indices(length))
    except (TypeError, ValueError) as error:
        raise IndexRangeError(f"{item} cannot cut an axis of length {length}: {error}") from None


def one(i: int, axis: int, shape: tuple[int, ...]) -> slice:
    """The slice that an integer cuts."""
    n = shape[axis]
    if not -n <= i < n:
        raise IndexRangeError(f"index {i} is out of range for axis {axis} of shape {shape}")
    return slice(i % n, i % n + 1, 1)


def out_of_range(name: str, index: int | str, length: int | str) -> str:
    """What is said of a position outside of its axis."""
    return f"{name}: index {index} is out of range for an axis of length {length}"
