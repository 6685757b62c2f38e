"""Elements in order, and those at a place in the order."""

from __future__ import annotations

from math import prod
from typing import Any, Generic, NamedTuple, Unpack

from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import float32, is_float
from rumus._core.errors import ArgumentError
from rumus._core.shapes import Axes, Shape, axes_of, axis_of, whole_number

from ._aliases import Aliases, axis_alias, reduction_aliases, refuse_dim
from ._matrix import transpose
from ._operand import apply
from ._ops.movement import Cast, Permute, Reshape, Slice
from ._ops.sort import Sort


class ValuesAndIndices(NamedTuple, Generic[TensorT]):
    """Elements, and their int32 positions along an axis.

    Example:
        >>> values, indices = tensor([3, 1, 2]).topk(1)
        >>> values.item(), indices.item()
        (3, 0)
    """

    values: TensorT
    indices: TensorT


def sort(
    x: TensorBase[TensorT],
    axis: int | None = -1,
    descending: bool = False,
    stable: bool = True,
    **aliases: Unpack[Aliases],
) -> TensorT:
    """The elements along an axis in order; NaN is above all numbers. Gradients find their way back.

    Args:
        x: Of any shape and dtype.
        axis: The last one by default; with None all elements, in one row.
        descending: Whether the largest comes first.
        stable: Equal elements keep their order, whatever is given here.
        aliases: ``dim`` is refused, since PyTorch's ``sort`` gives the positions too.

    Returns:
        A tensor of the shape of ``x``, or with one axis. For positions see :func:`argsort`.

    Raises:
        IndexRangeError: There is no such axis.

    Example:
        >>> from rumus.tensor import tensor
        >>> sort(tensor([3.0, 1.0, 2.0]), descending=True).tolist()
        [3.0, 2.0, 1.0]
    """
    if aliases:
        refuse_dim("sort", aliases, "argsort")
    values: TensorT = sorted_along("sort", x, axis, descending).values
    return values


def argsort(
    x: TensorBase[TensorT],
    axis: int | None = -1,
    descending: bool = False,
    stable: bool = True,
    **aliases: Unpack[Aliases],
) -> TensorT:
    """The int32 positions along an axis of the elements in order; see :func:`sort`.

    Example:
        >>> from rumus.tensor import tensor
        >>> argsort(tensor([3.0, 1.0, 2.0])).tolist()
        [1, 2, 0]
    """
    if aliases:
        axis = axis_alias("argsort", aliases, axis, -1)
    indices: TensorT = sorted_along("argsort", x.detach(), axis, descending).indices
    return indices


def topk(
    x: TensorBase[TensorT],
    k: int,
    axis: int = -1,
    largest: bool = True,
    sorted: bool = True,
    **aliases: Unpack[Aliases],
) -> ValuesAndIndices[TensorT]:
    """The ``k`` largest or smallest elements along an axis, in order; of equal ones the first.

    Args:
        x: Of at least one axis.
        k: How many, from 0 to the length of the axis.
        axis: The last one by default.
        largest: The largest, NaN first; otherwise the smallest.
        sorted: They are in order, whatever is given here.
        aliases: ``dim`` is PyTorch's name of ``axis``.

    Returns:
        ``(values, indices)``, of length ``k`` along the axis; the indices are int32.

    Raises:
        ArgumentError: There are not so many elements.
        IndexRangeError: There is no such axis.

    Example:
        >>> from rumus.tensor import tensor
        >>> values, indices = topk(tensor([3, 1, 4, 1, 5]), 2)
        >>> values.tolist(), indices.tolist()
        ([5, 4], [4, 2])
    """
    if aliases:
        axis = axis_alias("topk", aliases, axis, -1)
    axis, k = axis_of("topk", axis, x.ndim), whole_number("topk: k", k)
    if not 0 <= k <= x.shape[axis]:
        raise ArgumentError(
            f"topk: k = {k}, and axis {axis} of shape {x.shape} has {x.shape[axis]} elements"
        )
    return sorted_along("topk", x, axis, largest, k)


def kthvalue(
    x: TensorBase[TensorT],
    k: int,
    axis: int = -1,
    keepdims: bool = False,
    **aliases: Unpack[Aliases],
) -> ValuesAndIndices[TensorT]:
    """The ``k``-th smallest element along an axis, counted from 1, and its position.

    Args:
        x: Of at least one axis.
        k: From 1 to the length of the axis.
        axis: The last one by default.
        keepdims: Whether the axis stays, of length 1.
        aliases: ``dim`` and ``keepdim`` are PyTorch's names.

    Raises:
        ArgumentError: There are not so many elements.
        IndexRangeError: There is no such axis.

    Example:
        >>> from rumus.tensor import tensor
        >>> kthvalue(tensor([3.0, 1.0, 2.0]), 2).values.item()
        2.0
    """
    if aliases:
        axis, keepdims = reduction_aliases("kthvalue", aliases, axis, keepdims, -1)
    axis, k = axis_of("kthvalue", axis, x.ndim), whole_number("kthvalue: k", k)
    if not 1 <= k <= x.shape[axis]:
        raise ArgumentError(
            f"kthvalue: k = {k}, and axis {axis} of shape {x.shape} has elements 1 to "
            f"{x.shape[axis]}"
        )
    shape = _reduced(x.shape, (axis,), keepdims)
    both = sorted_along("kthvalue", x, axis, False, k)
    values, indices = (Reshape(shape)(_cut(t, axis, k - 1, k)) for t in both)
    return ValuesAndIndices(values, indices)


def median(
    x: TensorBase[TensorT], axis: Axes = None, keepdims: bool = False, **aliases: Unpack[Aliases]
) -> TensorT:
    """The element in the middle of the order, or the mean of the two in the middle, as numpy's.

    Args:
        x: Integers are taken as float32.
        axis: One axis or several; all of them by default.
        keepdims: Whether these axes stay, of length 1.
        aliases: ``dim`` is refused, since PyTorch's ``median`` gives the lower of two and its
            position: see :func:`kthvalue`.

    Returns:
        NaN where one element is.

    Raises:
        ArgumentError: There are no elements.

    Example:
        >>> from rumus.tensor import tensor
        >>> median(tensor([4.0, 1.0, 2.0, 8.0])).item()
        3.0
    """
    if aliases:
        refuse_dim("median", aliases, "argsort")
    axes = axes_of("median", axis, x.ndim)
    rows, length = _rows_over("median", x, axes)
    order: Any = Sort(descending=False)(rows)
    low, high = ((_cut(order, 1, at, at + 1)) for at in ((length - 1) // 2, length // 2))
    middle: Any = low if length % 2 else apply("mul", apply("add", low, high), 0.5)
    largest = _cut(order, 1, length - 1, length)
    found = apply("where", apply("isnan", largest), largest, middle)
    result: TensorT = Reshape(_reduced(x.shape, axes, keepdims))(found)
    return result


def sorted_along(
    name: str,
    x: TensorBase[TensorT],
    axis: int | None,
    descending: bool,
    first: int | None = None,
) -> ValuesAndIndices[TensorT]:
    """Elements in order and their positions, along an axis or of all: all, or the first so many."""
    source: Any = Reshape((x.size,))(x) if axis is None else x
    axis, last = 0 if axis is None else axis_of(name, axis, x.ndim), source.ndim - 1
    moved: Any = source if axis == last else transpose(source, axis, last)
    function = Sort(descending, first)
    values: Any = function(Reshape((prod(moved.shape[:-1]), moved.shape[-1]))(moved))
    columns = x._wrap(function.columns, x.device)
    shape = *moved.shape[:-1], values.shape[1]
    both = []
    for rows in (values, columns):
        whole: Any = Reshape(shape)(rows)
        both.append(whole if axis == last else transpose(whole, axis, last))
    return ValuesAndIndices(*both)


def _cut(x: Any, axis: int, start: int, stop: int) -> Any:
    index = [slice(0, n, 1) for n in x.shape]
    index[axis] = slice(start, stop, 1)
    return Slice(index)(x)


def _reduced(shape: Shape, axes: Shape, keepdims: bool) -> Shape:
    kept = (1 if k in axes else n for k, n in enumerate(shape) if keepdims or k not in axes)
    return tuple(kept)


def _rows_over(name: str, x: TensorBase, axes: Shape) -> tuple[Any, int]:
    """A matrix of floats, with the elements over the axes in its rows, and their number."""
    values: Any = x if is_float(x.dtype) else Cast(float32)(x)
    others = tuple(k for k in range(x.ndim) if k not in axes)
    length = prod(x.shape[k] for k in axes)
    if not length:
        raise ArgumentError(f"{name}: shape {x.shape} has no elements to choose from")
    moved = Permute((*others, *axes))(values)
    return Reshape((prod(x.shape[k] for k in others), length))(moved), length
