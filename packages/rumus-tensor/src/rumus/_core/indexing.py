"""What ``tensor[…]`` means."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np

from .errors import IndexRangeError

Item = int | slice | EllipsisType | None
Index = Item | tuple[Item, ...]


def resolve(index: Any, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[int, ...]]:
    """A resolved slice for every axis, and the shape after integers took and None added axes.

    Raises:
        IndexRangeError: An item is none of these, is out of range, or there are too many.
    """
    items = index if isinstance(index, tuple) else (index,)
    for item in items:
        if not (item is None or item is Ellipsis or isinstance(item, slice) or _is_int(item)):
            raise IndexRangeError(
                f"a tensor is indexed by integers, slices, None and ..., not by "
                f"{type(item).__name__}; select with where() or multiply by a mask"
            )
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
            resolved = _resolved(item, shape[axis])
            slices.append(resolved)
            kept.append(len(range(resolved.start, resolved.stop, resolved.step)))
        else:
            slices.append(_one(int(item), axis, shape))
    return tuple(slices), tuple(kept)


def _is_int(item: object) -> bool:
    return isinstance(item, (int, np.integer)) and not isinstance(item, bool)


def _resolved(item: slice, length: int) -> slice:
    try:
        return slice(*item.indices(length))
    except (TypeError, ValueError) as error:
        raise IndexRangeError(f"{item} cannot cut an axis of length {length}: {error}") from None


def _one(i: int, axis: int, shape: tuple[int, ...]) -> slice:
    n = shape[axis]
    if not -n <= i < n:
        raise IndexRangeError(f"index {i} is out of range for axis {axis} of shape {shape}")
    return slice(i % n, i % n + 1, 1)
