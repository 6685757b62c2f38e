"""Elements by position along an axis: reading, writing and adding, as functions of whole tensors.

Positions are int32 or uint8, in tensors, numpy arrays or lists; negative ones count from the end.
One that is out of range is an :class:`~rumus.tensor.IndexRangeError`, on the GPU when results are
next read.
"""

from __future__ import annotations

from math import prod
from typing import Any, Unpack

from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import bool_
from rumus._core.errors import DTypeError, IndexRangeError, ShapeError
from rumus._core.indexing import out_of_range
from rumus._core.shapes import Shape, axis_of, broadcast_shape

from ._aliases import Aliases, axis_alias
from ._indexing import integers, on_device
from ._ops.indexing import Cut, Gather
from ._ops.movement import Expand, Reshape, Slice


def take(
    x: TensorBase[TensorT], indices: Any, axis: int | None = None, **aliases: Unpack[Aliases]
) -> TensorT:
    """The elements at positions along an axis, which the shape of the positions takes the place of.

    Args:
        x: Any tensor.
        indices: Positions, of any shape.
        axis: Also ``dim``. Without one, positions are those of the flattened tensor.

    Raises:
        IndexRangeError: A position or the axis is out of range.
        DTypeError: The positions are no integers.

    Example:
        >>> from rumus.tensor import tensor
        >>> take(tensor([[1, 2], [3, 4]]), [1, 1, 0], axis=0).tolist()
        [[3, 4], [3, 4], [1, 2]]
    """
    axis = axis_alias("take", aliases, axis) if aliases else axis
    return _taken("take", x, indices, axis)


def take_along_axis(
    x: TensorBase[TensorT], indices: Any, axis: int = -1, **aliases: Unpack[Aliases]
) -> TensorT:
    """``x[…, indices[…, j, …], …]``: for every line along an axis the elements at its positions.

    Args:
        x: Any tensor.
        indices: Positions, with as many axes as ``x``; the other axes broadcast.
        axis: Also ``dim``.

    Raises:
        ShapeError: The numbers of axes differ, or the other axes do not broadcast.
        IndexRangeError: A position or the axis is out of range.
        DTypeError: The positions are no integers.

    Example:
        >>> from rumus.tensor import tensor
        >>> x = tensor([[3, 1, 2], [6, 5, 4]])
        >>> take_along_axis(x, x.argmax(1, keepdims=True), axis=1).tolist()
        [[3], [6]]
    """
    axis = axis_alias("take_along_axis", aliases, axis, -1) if aliases else axis
    x, index, axis = broadcast_along("take_along_axis", x, indices, axis)
    result: TensorT = gather_along("take_along_axis", x, index, axis)
    return result


def gather(x: TensorBase[TensorT], dim: int, index: Any) -> TensorT:
    """PyTorch's form of :func:`take_along_axis`: the result has the shape of the index.

    Args:
        x: Any tensor.
        dim: The axis, under PyTorch's name.
        index: Positions, with as many axes as ``x``, and along the others not longer.

    Raises:
        ShapeError: The shapes do not fit.
        IndexRangeError: A position or the axis is out of range.
        DTypeError: The positions are no integers.

    Example:
        >>> gather(tensor([[1, 2], [3, 4]]), 1, tensor([[1], [0]])).tolist()
        [[2], [3]]
    """
    axis = axis_of("gather", dim, x.ndim)
    index = integers("gather", x, index)
    check_not_longer("gather", "index", index.shape, "tensor", x.shape, axis)
    result: TensorT = gather_along("gather", shortened(x, index.shape, axis), index, axis)
    return result


def index_select(x: TensorBase[TensorT], dim: int, index: Any) -> TensorT:
    """PyTorch's form of :func:`take`, of positions in one axis.

    Raises:
        ShapeError: The index has several axes.

    Example:
        >>> index_select(tensor([10, 20, 30]), 0, tensor([2, 0])).tolist()
        [30, 10]
    """
    return _taken("index_select", x, line_of("index_select", x, index), dim)


def masked_select(x: TensorBase[TensorT], mask: Any) -> TensorT:
    """The elements where a mask is true, in one axis; the mask and the tensor broadcast.

    Waits for the device, which has to say how many they are.

    Raises:
        DTypeError: The mask is not of bool.
        ShapeError: The mask does not broadcast.
        CaptureError: On a GPU in a captured step; :func:`masked_fill` and :func:`where` keep the
            shape, and can be captured.

    Example:
        >>> masked_select(tensor([1, 2, 3]), tensor([True, False, True])).tolist()
        [1, 3]
    """
    mask = mask_of("masked_select", x, mask)
    shape = broadcast_shape("masked_select", x.shape, mask.shape)
    wide: Any = expanded(x, shape)
    chosen: TensorT = wide[expanded(mask, shape)]
    return chosen


def gather_along(name: str, x: Any, index: Any, axis: int) -> Any:
    """Elements at positions along an axis; the other axes are equal."""
    cut = cut_at(x.shape, axis)
    check_not_empty(name, index, cut[1])
    positions = Reshape((cut[0], index.shape[axis], cut[2]))(index)
    return Gather(name, cut, index.shape)(x, positions)


def cut_at(shape: Shape, axis: int) -> Cut:
    """The lengths before an axis, of it, and after it, multiplied."""
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


def check_not_empty(name: str, index: TensorBase, length: int) -> None:
    """Refuse positions on an axis that has none.

    Raises:
        IndexRangeError: There are some.
    """
    if index.size and not length:
        raise IndexRangeError(out_of_range(name, "of an element", 0))


def _taken(name: str, x: TensorBase[TensorT], indices: Any, axis: int | None) -> TensorT:
    if axis is None:
        flat: Any = x
        x, axis = Reshape((x.size,))(flat), 0
    axis = axis_of(name, axis, x.ndim)
    index = integers(name, x, indices)
    cut = cut_at(x.shape, axis)
    check_not_empty(name, index, cut[1])
    shape = *x.shape[:axis], *index.shape, *x.shape[axis + 1 :]
    result: TensorT = Gather(name, cut, shape)(x, Reshape((1, index.size, 1))(index))
    return result


def broadcast_along(name: str, x: Any, indices: Any, axis: int) -> tuple[Any, Any, int]:
    """A tensor and positions along an axis, with equal lengths along the others."""
    axis = axis_of(name, axis, x.ndim)
    index = integers(name, x, indices)
    if index.ndim != x.ndim:
        raise ShapeError(
            f"{name}: indices of shape {index.shape} need as many axes as the tensor, {x.shape}"
        )
    others = [s[:axis] + s[axis + 1 :] for s in (x.shape, index.shape)]
    common = broadcast_shape(name, *others)
    wide, positions = (
        expanded(t, (*common[:axis], t.shape[axis], *common[axis:])) for t in (x, index)
    )
    return wide, positions, axis


def line_of(name: str, like: TensorBase[TensorT], index: Any) -> TensorT:
    """Positions in one axis."""
    line: Any = integers(name, like, index)
    if line.ndim != 1:
        raise ShapeError(f"{name} takes an index of one axis, not of shape {line.shape}")
    return line  # type: ignore[no-any-return]


def expanded(x: Any, shape: Shape) -> Any:
    """A tensor broadcast to a shape, itself if it has it."""
    return x if x.shape == shape else Expand(shape)(x)


def shortened(x: Any, shape: Shape, axis: int | None) -> Any:
    """The first elements along every axis but one."""
    lengths = [n if k == axis else shape[k] for k, n in enumerate(x.shape)]
    if tuple(lengths) == x.shape:
        return x
    return Slice([slice(0, n, 1) for n in lengths])(x)


def mask_of(name: str, x: TensorBase, mask: Any) -> Any:
    """A mask on the device of a tensor."""
    given = on_device(x, mask, name)
    if given.dtype != bool_:
        raise DTypeError(f"{name} takes a mask of bool, not {given.dtype}; compare, as in a != 0")
    return given


def check_not_longer(
    name: str, what: str, shape: Shape, other: str, longest: Shape, axis: int | None
) -> None:
    """Refuse a shape that is longer than another along an axis, but for one of them."""
    fits = len(shape) == len(longest) and all(
        n <= most for k, (n, most) in enumerate(zip(shape, longest, strict=True)) if k != axis
    )
    if not fits:
        rest = "" if axis is None else f" but for axis {axis}"
        raise ShapeError(
            f"{name}: the {what} of shape {shape} must have the axes of the {other}, {longest}, "
            f"and nowhere be longer{rest}"
        )
