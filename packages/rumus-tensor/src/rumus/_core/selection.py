"""What ``tensor[…]`` means where integer arrays or masks are among the items."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .base import TensorBase
from .described import type_name
from .errors import IndexRangeError
from .indexing import one, resolved_slice
from .shapes import Shape, broadcast_shape


class Choice(NamedTuple):
    """An array among the items, and the neighbouring axes that it chooses from as one."""

    array: Any
    """Integers, or a mask of the shape of these axes."""
    axes: tuple[int, ...]
    length: int

    @property
    def is_mask(self) -> bool:
        """Whether the array says yes or no to each element."""
        return bool(self.array.dtype == np.bool_)


class Selection(NamedTuple):
    """An index with arrays: cut by slices, then choose along axes that stand together.

    Attributes:
        slices: For every axis; an integer is a slice of length 1.
        choices: The arrays.
        axes: The axes in the order in which the chosen ones stand together.
        cut: The lengths of the axes before the chosen ones, of these, and after them, multiplied.
        before: The result's lengths before those of the arrays.
        after: Those after them.
    """

    slices: tuple[slice, ...]
    choices: tuple[Choice, ...]
    axes: tuple[int, ...]
    cut: tuple[int, int, int]
    before: Shape
    after: Shape


class _Parsed:
    """The items, with the axes that each takes."""

    def __init__(self, items: Sequence[Any], shape: Shape) -> None:
        self.shape = shape
        self.slices: list[slice] = []
        self.choices: list[Choice] = []
        self.chosen: list[int] = []
        self.kept: list[tuple[int, int | None]] = []
        """The lengths that stay or are new, and the axis of those that stay."""
        self.runs: list[int] = []
        """For each integer and array the number of lengths that are kept before it."""
        self.breaks = 0
        self._was_chosen = False
        used = sum(_taken(item) for item in items)
        if used > len(shape) or sum(item is Ellipsis for item in items) > 1:
            raise IndexRangeError(f"an index for {used} axes does not fit shape {shape}")
        self.rest = len(shape) - used
        for item in items if any(item is Ellipsis for item in items) else (*items, Ellipsis):
            self.add(item)

    def add(self, item: Any) -> None:
        """Take the next item."""
        axis = len(self.slices)
        if item is None or item is Ellipsis or isinstance(item, slice):
            self._was_chosen = False
            if item is None:
                self.kept.append((1, None))
            elif isinstance(item, slice):
                self.keep(resolved_slice(item, self.shape[axis]))
            else:
                for n in self.shape[axis : axis + self.rest]:
                    self.keep(slice(0, n, 1))
            return
        self.breaks += not self._was_chosen
        self._was_chosen = True
        self.runs.append(len(self.kept))
        if isinstance(item, int):
            self.slices.append(one(item, axis, self.shape))
            self.chosen.append(axis)
            return
        axes = tuple(range(axis, axis + _taken(item)))
        lengths = tuple(self.shape[k] for k in axes)
        if item.dtype == np.bool_ and tuple(item.shape) != lengths:
            raise IndexRangeError(
                f"a mask of shape {tuple(item.shape)} does not fit axes of shape {lengths} "
                f"(from axis {axis} on, of a tensor of shape {self.shape})"
            )
        self.slices.extend(slice(0, n, 1) for n in lengths)
        self.chosen.extend(axes)
        self.choices.append(Choice(item, axes, prod(lengths)))

    def keep(self, cut: slice) -> None:
        """An axis that is cut, and stays."""
        self.kept.append((len(range(cut.start, cut.stop, cut.step)), len(self.slices)))
        self.slices.append(cut)


def select(index: Any, shape: Shape) -> Selection:
    """What an index with arrays chooses.

    Integers count as arrays without axes. Where the arrays are neighbours, their axes take the
    place of those that they choose from; else they come first, as in numpy.

    Raises:
        IndexRangeError: An item is no index, an integer is out of range, a mask does not fit, or
            there are too many items.
    """
    items = [_checked(item) for item in (index if isinstance(index, tuple) else (index,))]
    parsed = _Parsed(items, shape)
    first = parsed.runs[0] if parsed.breaks == 1 else 0
    before, after = parsed.kept[:first], parsed.kept[first:]
    outer = tuple(axis for _, axis in before if axis is not None)
    inner = tuple(axis for _, axis in after if axis is not None)
    lengths = [n for n, _ in before], [n for n, _ in after]
    length = prod(choice.length for choice in parsed.choices)
    return Selection(
        tuple(parsed.slices),
        tuple(parsed.choices),
        (*outer, *parsed.chosen, *inner),
        (prod(lengths[0]), length, prod(lengths[1])),
        tuple(lengths[0]),
        tuple(lengths[1]),
    )


def chosen_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape in which the arrays of an index meet.

    Raises:
        IndexRangeError: They do not broadcast.
    """
    try:
        return broadcast_shape("indexing", *shapes)
    except ValueError as error:
        raise IndexRangeError(str(error)) from None


def _taken(item: Any) -> int:
    """How many axes an item is for."""
    if item is None or item is Ellipsis:
        return 0
    is_mask = not isinstance(item, (int, slice)) and item.dtype == np.bool_
    return len(item.shape) if is_mask else 1


def _checked(item: Any) -> Any:
    """An item as None, Ellipsis, a slice, an int, or an array of integers or bools."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, TensorBase):
        array: Any = item
    elif isinstance(item, (bool, int, np.generic, np.ndarray, Sequence)) and not isinstance(
        item, (str, bytes)
    ):
        try:
            array = np.asarray(item)
        except ValueError as error:
            raise IndexRangeError(f"an index is no regular grid of numbers: {error}") from None
        if not array.size and not isinstance(item, np.ndarray):
            array = array.astype(np.int32)
        if array.dtype.kind in "iu" and not array.ndim:
            return int(array)
    else:
        raise IndexRangeError(
            f"a tensor is indexed by integers, slices, None, ..., integer arrays and masks, not by "
            f"{type_name(item)}"
        )
    if array.dtype.kind not in "biu":
        raise IndexRangeError(
            f"a tensor is indexed by integers and bools, not by {array.dtype}; "
            "convert it with .to(int32), or compare to get a mask"
        )
    return array
