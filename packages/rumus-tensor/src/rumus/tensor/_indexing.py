"""Elements of a tensor by integer arrays and masks: what ``t[…]`` does beyond slices."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import check_scalar, int32
from rumus._core.errors import DeviceError, DTypeError, IndexRangeError, ShapeError
from rumus._core.host import as_host_array
from rumus._core.indexing import Index, is_basic, out_of_range, resolve
from rumus._core.selection import Choice, Selection, chosen_shape, select
from rumus._core.shapes import Shape, broadcast_shape

from ._operand import Operand, operand
from ._ops.indexing import Gather, locate
from ._ops.movement import Permute, Reshape, Slice

NAME = "indexing"


class Indexing(TensorBase[TensorT]):
    """Reading by any index that numpy takes.

    Integers, slices, None and ... give a view. Integer arrays (tensors, numpy arrays, lists) and
    masks give a copy.
    """

    __slots__ = ()

    def __getitem__(self, index: Index) -> TensorT:
        if is_basic(index):
            slices, shape = resolve(index, self.shape)
            cut = Slice(slices)(self)
            return cut if cut.shape == shape else Reshape(shape)(cut)
        selection = select(index, self.shape)
        positions, shape, wrap = positions_of(self, selection)
        part: Any = self if is_whole(selection, self.shape) else Slice(selection.slices)(self)
        if selection.axes != tuple(range(self.ndim)):
            part = Permute(selection.axes)(part)
        whole = *selection.before, *shape, *selection.after
        chosen: TensorT = Gather(NAME, selection.cut, whole, wrap)(part, positions)
        return chosen


def write_at(target: TensorBase, index: Index, value: Operand) -> None:
    """``target[index] = value`` for an index with arrays; of equal positions the last one stays.

    Raises:
        IndexRangeError: The index does not fit.
        ShapeError: The value does not fit what is chosen.
        DeviceError: An array of the index, or the value, is on another device.
    """
    be, array = backend_of(target.device), target.array
    selection = select(index, target.shape)
    source = _source(target, value)
    if _is_plain_mask(selection, target.shape) and _is_one(source.shape, selection):
        (choice,), rest = selection.choices, len(selection.after)
        mask = be.reshape(
            on_device(target, choice.array).array, (*choice.array.shape, *(1,) * rest)
        )
        lead = source.shape[: max(source.ndim - rest - 1, 0)]
        kept = source.shape[source.ndim - rest :] if rest else ()
        spread = (*lead, *(1,) * choice.array.ndim, *kept) if source.ndim > rest else source.shape
        broadcast_value(spread, (*selection.before, *choice.array.shape, *selection.after))
        be.assign(array, be.elementwise("where", mask, be.reshape(source.array, spread), array))
        return
    positions, shape, wrap = positions_of(target, selection)
    whole = *selection.before, *shape, *selection.after
    broadcast_value(source.shape, whole)
    outer, _, inner = selection.cut
    part = be.permute(be.slice(array, selection.slices), selection.axes)
    rows = be.reshape(part, selection.cut)
    values = be.reshape(be.expand(source.array, whole), (outer, positions.shape[1], inner))
    if be.shares(values, array):
        values = be.copy(values)
    be.put(rows, positions.array, values, NAME, wrap)
    if not be.shares(rows, array):
        be.assign(part, be.reshape(rows, part.shape))


def positions_of(like: TensorBase[TensorT], selection: Selection) -> tuple[TensorT, Shape, bool]:
    """Where an index leads along the chosen axes: positions, the shape of its arrays, and a bool.

    The positions are (1, count, 1); negative ones count from the end if the bool says so.

    Raises:
        IndexRangeError: The arrays do not broadcast, or choose from nothing.
        DeviceError: One is on another device.
        CaptureError: One is a mask on a GPU, and this is a captured step.
    """
    be = backend_of(like.device)
    chosen = [_positions(like, choice) for choice in selection.choices]
    shape = chosen_shape([index.shape for index in chosen])
    for index, choice in zip(chosen, selection.choices, strict=True):
        if index.size and not choice.length:
            raise IndexRangeError(out_of_range(NAME, "of an element", 0))
    column = 1, prod(shape), 1
    if len(chosen) == 1:
        return Reshape(column)(chosen[0]), shape, True
    if not chosen:  # numpy's arrays without axes are integers
        return like._wrap(be.full(column, 0, int32), like.device), shape, True
    arrays = [be.expand(index.array, shape) for index in chosen]
    flat = locate(be, arrays, [choice.length for choice in selection.choices], NAME)
    return like._wrap(flat, like.device), shape, False


def integers(name: str, like: TensorBase[TensorT], index: Any) -> TensorT:
    """An int32 tensor of integers, on the device of another one.

    Raises:
        DTypeError: They are floats, bools or no numbers.
        DeviceError: They are on another device.
    """
    given: Any = on_device(like, index, name)
    if given.dtype.kind not in "iu":
        raise DTypeError(f"{name} takes positions of int32 or uint8, not {given.dtype}")
    return given if given.dtype == int32 else given.to(int32)  # type: ignore[no-any-return]


def on_device(like: TensorBase[TensorT], array: Any, name: str = NAME) -> TensorT:
    """An array-like as a tensor on the device of another one, where a tensor has to be already.

    Raises:
        DeviceError: It is a tensor of another device.
    """
    if not isinstance(array, TensorBase):
        if isinstance(array, list | tuple) and not len(array):
            array = np.empty(0, np.int32)
        host = as_host_array(array, None)
        return like._wrap(backend_of(like.device).from_host(host), like.device)
    if array.device is not like.device:
        raise DeviceError(
            f"{name}: the tensor is on {like.device} and the index on {array.device}; "
            "move one with .to(device)"
        )
    return array  # type: ignore[return-value]


def is_whole(selection: Selection, shape: Shape) -> bool:
    """Whether the slices cut nothing away."""
    return all(s == slice(0, n, 1) for s, n in zip(selection.slices, shape, strict=True))


def broadcast_value(shape: Shape, whole: Shape) -> None:
    """Refuse a value that does not broadcast to what is assigned to.

    Raises:
        ShapeError: It does not.
    """
    if broadcast_shape("item assignment", shape, whole) != whole:
        raise ShapeError(f"a value of shape {shape} does not fit {whole}")


def _positions(like: TensorBase, choice: Choice) -> Any:
    """The positions of an item, int32."""
    array = choice.array
    if not choice.is_mask:
        return integers(NAME, like, array)
    be = backend_of(like.device)
    if isinstance(array, TensorBase):
        flat = be.flat_nonzero(on_device(like, array).array)
    else:
        flat = be.from_host(np.flatnonzero(array).astype(np.int32))
    return like._wrap(flat, like.device)


def _source(target: TensorBase, value: Operand) -> TensorBase:
    source = operand(target, value)
    be = backend_of(target.device)
    if not isinstance(source, TensorBase):
        check_scalar("item assignment", source, target.dtype)
        result: TensorBase = target._wrap(be.full((), source, target.dtype), target.device)
        return result
    if source.device is not target.device:
        raise DeviceError(f"item assignment: tensors are on {target.device} and {source.device}")
    if source.dtype == target.dtype:
        result = source.detach()
        return result
    result = target._wrap(be.elementwise("cast", source.array, dtype=target.dtype), target.device)
    return result


def _is_plain_mask(selection: Selection, shape: Shape) -> bool:
    """Whether the index is one mask and whole axes around it."""
    choices = selection.choices
    if len(choices) != 1 or not choices[0].is_mask or not choices[0].axes:
        return False
    array, axes, first = choices[0].array, choices[0].axes, len(selection.before)
    lengths = *selection.before, *array.shape, *selection.after
    at_home = selection.axes[first : first + len(axes)] == axes  # not moved by None and an integer
    return lengths == shape and at_home and is_whole(selection, shape)


def _is_one(shape: Shape, selection: Selection) -> bool:
    """Whether a value is the same for all elements that a mask selects."""
    rest = len(selection.after)
    return len(shape) <= rest or shape[-1 - rest] == 1
