"""Elements put or added at positions along an axis, as functions that give a new tensor.

Positions are those of :mod:`rumus.tensor._gathering`.
"""

from __future__ import annotations

from typing import Any, Unpack

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import check_scalar, is_float
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.selection import select
from rumus._core.shapes import Shape, axis_of, broadcast_shape

from ._aliases import Aliases, axis_alias
from ._gathering import (
    broadcast_along,
    check_not_empty,
    check_not_longer,
    cut_at,
    expanded,
    line_of,
    mask_of,
    shortened,
)
from ._indexing import NAME, integers, positions_of
from ._operand import Operand, apply, operand
from ._ops.elementwise import Elementwise
from ._ops.indexing import Put, SumAt, locate
from ._ops.movement import Cast, Reshape


def scatter(x: TensorBase[TensorT], dim: int, index: Any, src: Operand) -> TensorT:
    """A copy with ``result[…, index[…, j, …], …] = src[…, j, …]``; of equal positions the last.

    Args:
        x: Any tensor.
        dim: The axis, under PyTorch's name.
        index: Positions, with as many axes as ``x``, and along the others not longer.
        src: A number, or a tensor that is not shorter than the index.

    Raises:
        ShapeError: The shapes do not fit.
        IndexRangeError: A position or the axis is out of range.
        DTypeError: The positions are no integers.

    Example:
        >>> scatter(zeros(3), 0, tensor([1]), tensor([5.0])).tolist()
        [0.0, 5.0, 0.0]
    """
    axis, index, values = scattered("scatter", x, dim, index, src)
    result: TensorT = _put_along("scatter", x, index, values, axis)
    return result


def scatter_add(x: TensorBase[TensorT], dim: int, index: Any, src: Operand) -> TensorT:
    """The sum of a tensor and, for each of its elements, of what :func:`scatter` writes there.

    The same in every run. float16 is added up in float32 and rounded once.

    Example:
        >>> scatter_add(ones(3), 0, tensor([1, 1]), tensor([5.0, 6.0])).tolist()
        [1.0, 12.0, 1.0]
    """
    axis, index, values = scattered("scatter_add", x, dim, index, src)
    result: TensorT = _sum_along("scatter_add", x, index, values, axis)
    return result


def put_along_axis(
    x: TensorBase[TensorT],
    indices: Any,
    values: Operand,
    axis: int = -1,
    **aliases: Unpack[Aliases],
) -> TensorT:
    """A copy with values in place of what :func:`take_along_axis` reads (numpy's works in place).

    Args:
        x: Any tensor.
        indices: Positions, with as many axes as ``x``; the other axes broadcast.
        values: What broadcasts to the shape of the positions.
        axis: Also ``dim``.

    Raises:
        ShapeError: The shapes do not fit.
        IndexRangeError: A position or the axis is out of range.

    Example:
        >>> put_along_axis(zeros(2, 2), tensor([[1], [0]]), tensor([[5.0], [6.0]]), 1).tolist()
        [[0.0, 5.0], [6.0, 0.0]]
    """
    name = "put_along_axis"
    axis = axis_alias(name, aliases, axis, -1) if aliases else axis
    wide, index, axis = broadcast_along(name, x, indices, axis)
    if wide.shape != x.shape:
        raise ShapeError(f"{name}: indices {index.shape} do not fit a tensor of shape {x.shape}")
    result: TensorT = _put_along(name, x, index, _values(name, x, values, index.shape), axis)
    return result


def index_add(
    x: TensorBase[TensorT], dim: int, index: Any, source: Operand, alpha: float = 1
) -> TensorT:
    """``x`` plus ``alpha`` times the parts of a source, added at positions along an axis.

    The same in every run. float16 is added up in float32 and rounded once.

    Args:
        x: Any tensor.
        dim: The axis, under PyTorch's name.
        index: Positions, in one axis.
        source: Of the shape of ``x``, but as long as the index along the axis.
        alpha: A factor.

    Raises:
        ShapeError: The shapes do not fit.
        IndexRangeError: A position or the axis is out of range.

    Example:
        >>> index_add(zeros(3), 0, tensor([1, 1]), tensor([2.0, 3.0])).tolist()
        [0.0, 5.0, 0.0]
    """
    name = "index_add"
    axis, index, values = _parts(name, x, dim, index, source)
    if alpha != 1:
        values = apply("mul", values, alpha)
    cut = cut_at(x.shape, axis)
    sums: Any = SumAt(name, cut[1], x.shape)(Reshape((cut[0], index.size, cut[2]))(values), index)
    result: TensorT = _added(x, sums)
    return result


def index_copy(x: TensorBase[TensorT], dim: int, index: Any, source: Operand) -> TensorT:
    """A copy with the parts of a source at positions along an axis; arguments as :func:`index_add`.

    Of equal positions the last one stays.

    Example:
        >>> index_copy(zeros(3), 0, tensor([1]), tensor([2.0])).tolist()
        [0.0, 2.0, 0.0]
    """
    axis, index, values = _parts("index_copy", x, dim, index, source)
    cut = cut_at(x.shape, axis)
    result: TensorT = Put("index_copy", cut)(
        x, index, Reshape((cut[0], index.size, cut[2]))(values)
    )
    return result


def index_fill(x: TensorBase[TensorT], dim: int, index: Any, value: float) -> TensorT:
    """A copy with a number at positions along an axis.

    Example:
        >>> index_fill(zeros(3), 0, tensor([1]), 7.0).tolist()
        [0.0, 7.0, 0.0]
    """
    axis = axis_of("index_fill", dim, x.ndim)
    line = line_of("index_fill", x, index)
    shape = *x.shape[:axis], line.size, *x.shape[axis + 1 :]
    return index_copy(x, axis, line, _values("index_fill", x, value, shape))


def index_put(
    x: TensorBase[TensorT], indices: Any, values: Operand, accumulate: bool = False
) -> TensorT:
    """A copy with ``result[indices] = values``, or ``+=`` with every repetition counted.

    Args:
        x: Any tensor.
        indices: A tuple of integer arrays and masks, for the first axes.
        values: What broadcasts to ``x[indices]``.
        accumulate: Whether to add.

    Raises:
        IndexRangeError: The indices do not fit.
        ShapeError: The values do not fit.

    Example:
        >>> index_put(zeros(3), (tensor([1]),), tensor([2.0])).tolist()
        [0.0, 2.0, 0.0]
    """
    selection = select((*indices,), x.shape)
    positions, shape, wrap = positions_of(x, selection)
    if len(selection.choices) != len(indices):
        raise ArgumentError("index_put takes integer arrays and masks; assign to x[…] instead")
    whole = *shape, *selection.after
    spread = _values(NAME, x, values, whole)
    rows = Reshape((1, positions.shape[1], selection.cut[2]))(spread)
    if not accumulate:
        result: TensorT = Put(NAME, selection.cut, wrap)(x, positions, rows)
        return result
    sums: Any = SumAt(NAME, selection.cut[1], x.shape)(rows, positions)
    result = _added(x, sums)
    return result


def masked_fill(x: TensorBase[TensorT], mask: Any, value: Operand) -> TensorT:
    """A copy with a value where a mask is true; the mask and the tensor broadcast.

    Raises:
        DTypeError: The mask is not of bool.
        ShapeError: The mask does not broadcast.
        ArgumentError: The value is no integer, and the tensor is one.

    Example:
        >>> masked_fill(tensor([1, 2, 3]), tensor([True, False, True]), 0).tolist()
        [0, 2, 0]
    """
    mask = mask_of("masked_fill", x, mask)
    given = operand(x, value)
    if not isinstance(given, TensorBase):
        check_scalar("masked_fill", given, x.dtype)
        if isinstance(given, float) and not is_float(x.dtype) and not given.is_integer():
            raise ArgumentError(f"masked_fill: {given} does not fit {x.dtype}")
    filled: Any = Elementwise("where")(mask, given, x)
    result: TensorT = filled if filled.dtype == x.dtype else Cast(x.dtype)(filled)
    return result


def scattered(
    name: str, x: TensorBase, axis: int, index: Any, src: Operand
) -> tuple[int, Any, Any]:
    """The axis, the positions, and the values for them in the dtype of the tensor."""
    axis = axis_of(name, axis, x.ndim)
    index = integers(name, x, index)
    check_not_longer(name, "index", index.shape, "tensor", x.shape, axis)
    values = operand(x, src)
    if not isinstance(values, TensorBase):
        return axis, index, _values(name, x, values, index.shape)
    check_not_longer(name, "index", index.shape, "src", values.shape, None)
    return axis, index, shortened(_like(x, values), index.shape, None)


def _put_along(name: str, x: Any, index: Any, values: Any, axis: int) -> Any:
    cut = cut_at(x.shape, axis)
    check_not_empty(name, index, cut[1])
    if _is_full(index.shape, x.shape, axis):
        lines = cut[0], index.shape[axis], cut[2]
        return Put(name, cut)(x, Reshape(lines)(index), Reshape(lines)(values))
    flat = Reshape((1, index.size, 1))
    return Put(name, (1, x.size, 1), wrap=False)(x, flat_index(name, x, index, axis), flat(values))


def _sum_along(name: str, x: Any, index: Any, values: Any, axis: int) -> Any:
    cut = cut_at(x.shape, axis)
    check_not_empty(name, index, cut[1])
    if _is_full(index.shape, x.shape, axis):
        lines = cut[0], index.shape[axis], cut[2]
        sums = SumAt(name, cut[1], x.shape)(Reshape(lines)(values), Reshape(lines)(index))
    else:
        flat = Reshape((1, index.size, 1))(values)
        sums = SumAt(name, x.size, x.shape)(flat, flat_index(name, x, index, axis))
    return _added(x, sums)


def _is_full(shape: Shape, whole: Shape, axis: int) -> bool:
    return shape[:axis] == whole[:axis] and shape[axis + 1 :] == whole[axis + 1 :]


def flat_index(name: str, x: TensorBase, index: TensorBase, axis: int) -> Any:
    """Positions along an axis as positions in the flattened tensor, (1, count, 1)."""
    be = backend_of(x.device)
    places = []
    for k, n in enumerate(index.shape):
        line = be.reshape(be.iota(n), (*(1,) * k, n, *(1,) * (x.ndim - 1 - k)))
        places.append(index.array if k == axis else be.expand(line, index.shape))
    return x._wrap(locate(be, places, list(x.shape), name), x.device)


def _parts(
    name: str, x: TensorBase, axis: int, index: Any, source: Operand
) -> tuple[int, Any, Any]:
    axis = axis_of(name, axis, x.ndim)
    line: Any = line_of(name, x, index)
    values = operand(x, source)
    shape = *x.shape[:axis], line.size, *x.shape[axis + 1 :]
    if not isinstance(values, TensorBase) or values.shape != shape:
        raise ShapeError(f"{name} takes a source of shape {shape} here, not {_shape(values)}")
    check_not_empty(name, line, x.shape[axis])
    return axis, Reshape((1, line.size, 1))(line), _like(x, values)


def _values(name: str, x: TensorBase[TensorT], values: Operand, shape: Shape) -> TensorT:
    """Values in the dtype of a tensor, broadcast to a shape."""
    given = operand(x, values)
    if not isinstance(given, TensorBase):
        check_scalar(name, given, x.dtype)
        given = x._wrap(backend_of(x.device).full((), given, x.dtype), x.device)
    if broadcast_shape(name, given.shape, shape) != shape:
        raise ShapeError(f"{name}: values of shape {given.shape} do not fit {shape}")
    result: TensorT = expanded(_like(x, given), shape)
    return result


def _like(x: TensorBase, values: TensorBase[TensorT]) -> TensorT:
    """Values in the dtype of a tensor."""
    if values.dtype == x.dtype:
        return values  # type: ignore[return-value]
    return Cast(x.dtype)(values)


def _added(x: TensorBase[TensorT], sums: TensorBase[TensorT]) -> TensorT:
    total: Any = apply("add", x, sums)
    result: TensorT = total if total.dtype == x.dtype else Cast(x.dtype)(total)
    return result


def _shape(values: object) -> object:
    return values.shape if isinstance(values, TensorBase) else values
