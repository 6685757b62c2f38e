"""Elements in another order, or repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack

import numpy as np

from rumus._core.base import TensorBase, TensorT
from rumus._core.described import type_name
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.shapes import (
    Axes,
    axes_of,
    axis_of,
    broadcast_shape,
    resolved_shape,
    shape_of,
    whole_numbers,
)

from ._aliases import Aliases, axis_alias
from ._gathering import take
from ._joining import cat, check_tensors
from ._matrix import transpose
from ._ops.movement import Expand, Permute, Reshape, Slice
from ._splitting import cut


def flip(x: TensorBase[TensorT], axis: Axes = None, **aliases: Unpack[Aliases]) -> TensorT:
    """A view with axes (also ``dim``) in reverse order; all of them by default.

    Example:
        >>> flip(tensor([1, 2, 3]), 0).tolist()
        [3, 2, 1]
    """
    axis = axis_alias("flip", aliases, axis) if aliases else axis
    axes = axes_of("flip", axis, x.ndim)
    return Slice(
        [slice(n - 1, -1, -1) if k in axes else slice(0, n, 1) for k, n in enumerate(x.shape)]
    )(x)


def roll(
    x: TensorBase[TensorT],
    shift: int | Sequence[int],
    axis: Axes = None,
    **aliases: Unpack[Aliases],
) -> TensorT:
    """Elements moved on along axes (also ``dim``); what leaves at the end comes in at the front.

    Without an axis the flattened elements are moved.

    Raises:
        ArgumentError: There are not as many shifts as axes.

    Example:
        >>> roll(tensor([1, 2, 3]), 1, 0).tolist()
        [3, 1, 2]
    """
    axis = axis_alias("roll", aliases, axis) if aliases else axis
    if axis is None:
        line: Any = Reshape((x.size,))(x)
        result: TensorT = Reshape(x.shape)(roll(line, shift, 0))
        return result
    shifts, axes = whole_numbers("roll", shift), whole_numbers("roll", axis)
    shifts = shifts * len(axes) if len(shifts) == 1 else shifts
    if len(shifts) != len(axes):
        raise ArgumentError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    moved: Any = x
    for by, given in zip(shifts, axes, strict=True):
        k = axis_of("roll", given, x.ndim)
        n = x.shape[k]
        if n and by % n:
            at = n - by % n
            moved = cat([cut(moved, k, at, n), cut(moved, k, 0, at)], k)
    return moved  # type: ignore[no-any-return]


def repeat(
    x: TensorBase[TensorT], repeats: Any, axis: int | None = None, **aliases: Unpack[Aliases]
) -> TensorT:
    """Each element several times in a row, as numpy and the array API have it.

    PyTorch's ``repeat`` is :func:`tile`, its ``repeat_interleave`` this one.

    Args:
        x: Any tensor.
        repeats: How often: a number, or one for each position along the axis (numbers in a tensor
            on a GPU are read back).
        axis: Also ``dim``; without one the flattened elements are repeated.

    Raises:
        ArgumentError: A number is negative.
        ShapeError: There are not as many numbers as positions.

    Example:
        >>> from rumus.tensor import tensor
        >>> repeat(tensor([1, 2]), 2).tolist(), repeat(tensor([1, 2]), [0, 3]).tolist()
        ([1, 1, 2, 2], [2, 2, 2])
    """
    axis = axis_alias("repeat", aliases, axis) if aliases else axis
    if axis is None:
        line: Any = Reshape((x.size,))(x)
        result: TensorT = repeat(line, repeats, 0)
        return result
    axis = axis_of("repeat", axis, x.ndim)
    n = x.shape[axis]
    times = np.asarray(repeats)
    if times.dtype.kind not in "iu" and times.size:
        raise ArgumentError(f"repeat takes whole numbers, not {times.dtype}")
    if times.size and times.min() < 0:
        raise ArgumentError(f"repeat: {times.min()} times is not possible")
    if times.size == 1:
        r = int(times.reshape(()))
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        result = _repeated(
            x, (*before, n, 1, *after), (*before, n, r, *after), (*before, n * r, *after)
        )
        return result
    if times.shape != (n,):
        raise ShapeError(f"repeat: numbers of shape {times.shape} for an axis of length {n}")
    return take(x, np.repeat(np.arange(n, dtype=np.int32), times), axis)


def repeat_interleave(
    x: TensorBase[TensorT], repeats: Any, axis: int | None = None, **aliases: Unpack[Aliases]
) -> TensorT:
    """PyTorch's name of :func:`repeat`.

    Example:
        >>> repeat_interleave(tensor([1, 2]), 2).tolist()
        [1, 1, 2, 2]
    """
    return repeat(x, repeats, axis, **aliases)


def tile(x: TensorBase[TensorT], repetitions: int | Sequence[int]) -> TensorT:
    """The tensor several times along its axes; axes are added in front if there are too few.

    Raises:
        ShapeError: A number is negative.

    Example:
        >>> from rumus.tensor import tensor
        >>> tile(tensor([1, 2]), (2, 2)).tolist()
        [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    times = shape_of("tile", repetitions)
    ndim = max(len(times), x.ndim)
    times, shape = (1,) * (ndim - len(times)) + times, (1,) * (ndim - x.ndim) + x.shape
    apart = tuple(k for n in shape for k in (1, n))
    wide = tuple(k for r, n in zip(times, shape, strict=True) for k in (r, n))
    whole = tuple(r * n for r, n in zip(times, shape, strict=True))
    result: TensorT = _repeated(x, apart, wide, whole)
    return result


def unflatten(x: TensorBase[TensorT], axis: int, sizes: Sequence[int]) -> TensorT:
    """One axis as several; one length may be -1.

    Raises:
        ShapeError: The lengths do not multiply to the axis's.

    Example:
        >>> unflatten(ones(2, 12), 1, (3, 4)).shape
        (2, 3, 4)
    """
    axis = axis_of("unflatten", axis, x.ndim)
    lengths = resolved_shape("unflatten", whole_numbers("unflatten", sizes), x.shape[axis])
    return Reshape((*x.shape[:axis], *lengths, *x.shape[axis + 1 :]))(x)


def movedim(
    x: TensorBase[TensorT], source: int | Sequence[int], destination: int | Sequence[int]
) -> TensorT:
    """A view with axes at other positions; the others keep their order.

    Raises:
        ArgumentError: There are not as many positions as axes, or one is given twice.

    Example:
        >>> movedim(ones(2, 3, 4), 0, -1).shape
        (3, 4, 2)
    """
    moved, places = (
        [axis_of("movedim", axis, x.ndim) for axis in whole_numbers("movedim", given)]
        for given in (source, destination)
    )
    if len(moved) != len(places) or len({*moved}) < len(moved) or len({*places}) < len(places):
        raise ArgumentError(f"movedim takes different axes, as many from as to: {moved}, {places}")
    order = [axis for axis in range(x.ndim) if axis not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return Permute(tuple(order))(x)


def moveaxis(
    x: TensorBase[TensorT], source: int | Sequence[int], destination: int | Sequence[int]
) -> TensorT:
    """Numpy's name of :func:`movedim`.

    Example:
        >>> moveaxis(ones(2, 3, 4), 0, -1).shape
        (3, 4, 2)
    """
    return movedim(x, source, destination)


def swapaxes(x: TensorBase[TensorT], axis0: int, axis1: int) -> TensorT:
    """A view with two axes swapped.

    Example:
        >>> swapaxes(ones(2, 3, 4), 0, 1).shape
        (3, 2, 4)
    """
    return transpose(x, *(axis_of("swapaxes", axis, x.ndim) for axis in (axis0, axis1)))


def squeeze(x: TensorBase[TensorT], axis: Axes = None, **aliases: Unpack[Aliases]) -> TensorT:
    """A view without axes (also ``dim``) of length one; all of them by default.

    Raises:
        ShapeError: An axis is longer.

    Example:
        >>> squeeze(ones(2, 1, 4), 1).shape
        (2, 4)
    """
    axis = axis_alias("squeeze", aliases, axis) if aliases else axis
    if axis is None:
        return Reshape(tuple(n for n in x.shape if n != 1))(x)
    axes = axes_of("squeeze", axis, x.ndim)
    for k in axes:
        if x.shape[k] != 1:
            raise ShapeError(f"squeeze: axis {k} of shape {x.shape} has not length 1")
    return Reshape(tuple(n for k, n in enumerate(x.shape) if k not in axes))(x)


def expand_dims(
    x: TensorBase[TensorT], axis: int | Sequence[int] = 0, **aliases: Unpack[Aliases]
) -> TensorT:
    """A view with axes of length one, at these positions (also ``dim``) of the result.

    Example:
        >>> expand_dims(ones(2, 3), 1).shape
        (2, 1, 3)
    """
    axis = axis_alias("expand_dims", aliases, axis, 0) if aliases else axis
    ndim = x.ndim + len(whole_numbers("expand_dims", axis))
    axes, lengths = axes_of("expand_dims", axis, ndim), iter(x.shape)
    return Reshape(tuple(1 if k in axes else next(lengths) for k in range(ndim)))(x)


def broadcast_to(x: TensorBase[TensorT], shape: int | Sequence[int]) -> TensorT:
    """A view broadcast to a shape.

    Raises:
        ShapeError: The tensor does not broadcast to the shape.

    Example:
        >>> broadcast_to(tensor([1, 2]), (2, 2)).tolist()
        [[1, 2], [1, 2]]
    """
    wanted = shape_of("broadcast_to", shape)
    if broadcast_shape("broadcast_to", x.shape, wanted) != wanted:
        raise ShapeError(f"broadcast_to: shape {x.shape} does not broadcast to {wanted}")
    return Expand(wanted)(x)


def broadcast_arrays(*arrays: TensorBase[TensorT]) -> tuple[TensorT, ...]:
    """Views of several tensors, broadcast to one shape.

    Raises:
        ShapeError: They do not broadcast.

    Example:
        >>> [x.shape for x in broadcast_arrays(ones(3, 1), ones(4))]
        [(3, 4), (3, 4)]
    """
    if arrays:
        check_tensors("broadcast_arrays", arrays)
    shape = broadcast_shape("broadcast_arrays", *(x.shape for x in arrays))
    return tuple(Expand(shape)(x) for x in arrays)


def broadcast_tensors(*tensors: TensorBase[TensorT]) -> tuple[TensorT, ...]:
    """PyTorch's name of :func:`broadcast_arrays`.

    Example:
        >>> [x.shape for x in broadcast_tensors(ones(3, 1), ones(4))]
        [(3, 4), (3, 4)]
    """
    return broadcast_arrays(*tensors)


def meshgrid(
    *arrays: TensorBase[TensorT], indexing: Literal["xy", "ij"] = "xy"
) -> tuple[TensorT, ...]:
    """Views of coordinates, each broadcast over the axes of the others.

    Args:
        arrays: Coordinates, of one axis each.
        indexing: ``"xy"``, the array API's default, where the first gives the columns and the
            second the rows; ``"ij"``, PyTorch's, where the k-th gives axis k.

    Raises:
        DTypeError: One is something else than a tensor.
        ShapeError: One has several axes.
        ArgumentError: ``indexing`` is neither.

    Example:
        >>> from rumus.tensor import tensor
        >>> meshgrid(tensor([1, 2]), tensor([3, 4, 5]))[0].tolist()
        [[1, 2], [1, 2], [1, 2]]
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    for x in arrays:
        if not isinstance(x, TensorBase):
            raise DTypeError(
                f"meshgrid takes tensors one by one, as in meshgrid(x, y), not a {type_name(x)}"
            )
        if x.ndim > 1:
            raise ShapeError(f"meshgrid takes one axis, not shape {x.shape}")
    order = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        order[:2] = 1, 0
    lines = [
        Reshape(tuple(x.size if k == place else 1 for k in range(len(arrays))))(x)
        for place, x in zip(order, arrays, strict=True)
    ]
    return broadcast_arrays(*lines)


def hstack(tensors: Sequence[TensorBase[TensorT]]) -> TensorT:
    """Joined along the second axis; tensors of one axis along it.

    Example:
        >>> hstack([tensor([1, 2]), tensor([3])]).tolist()
        [1, 2, 3]
    """
    check_tensors("hstack", tensors)
    lines = [Reshape((1,))(x) if not x.ndim else x for x in tensors]
    result: TensorT = cat(lines, 0 if lines and lines[0].ndim == 1 else 1)
    return result


def vstack(tensors: Sequence[TensorBase[TensorT]]) -> TensorT:
    """Joined along the first axis, tensors of one axis as rows.

    Example:
        >>> vstack([tensor([1, 2]), tensor([3, 4])]).tolist()
        [[1, 2], [3, 4]]
    """
    check_tensors("vstack", tensors)
    given: list[Any] = list(tensors)
    rows: TensorT = cat([x if x.ndim > 1 else Reshape((1, x.size))(x) for x in given], 0)
    return rows


def rot90(x: TensorBase[TensorT], k: int = 1, axes: Sequence[int] = (0, 1)) -> TensorT:
    """A view turned ``k`` times by 90 degrees, from the first of two axes towards the second.

    Raises:
        ArgumentError: The axes are not two different ones.

    Example:
        >>> rot90(tensor([[1, 2], [3, 4]])).tolist()
        [[2, 4], [1, 3]]
    """
    turned = axes_of("rot90", tuple(axes), x.ndim)
    if len(turned) != 2:
        raise ArgumentError(f"rot90 takes two axes, not {axes}")
    first, second = (axis_of("rot90", axis, x.ndim) for axis in axes)
    if k % 4 == 0:
        return flip(x, ())
    if k % 4 == 2:
        return flip(x, (first, second))
    if k % 4 == 1:
        flipped: Any = flip(x, second)
        result: TensorT = transpose(flipped, first, second)
        return result
    turned_over: Any = transpose(x, first, second)
    result = flip(turned_over, second)
    return result


def _repeated(x: Any, apart: tuple[int, ...], wide: tuple[int, ...], whole: tuple[int, ...]) -> Any:
    return Reshape(whole)(Expand(wide)(Reshape(apart)(x)))
