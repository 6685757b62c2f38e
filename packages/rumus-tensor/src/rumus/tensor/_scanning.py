"""Sums, products and extremes of all elements up to each one."""

from __future__ import annotations

from typing import Any, Unpack

from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import float32, is_float
from rumus._core.errors import ArgumentError
from rumus._core.shapes import axis_of

from ._aliases import Aliases, axis_alias
from ._ops.movement import Cast, Reshape
from ._ops.scan import CumExtreme, CumProd, CumSum, LogCumSumExp
from ._sorting import ValuesAndIndices


def cumsum(x: TensorBase[TensorT], axis: int | None = None, **aliases: Unpack[Aliases]) -> TensorT:
    """The sums of all elements up to each one, along an axis.

    Integers and bools add up to int32, which wraps around; float16 is added in float32.

    Args:
        x: Of any shape.
        axis: By default the elements stand in one row, in row-major order, as for numpy.
        aliases: ``dim`` is PyTorch's name of ``axis``.

    Returns:
        A tensor of the shape of ``x``, or with one axis.

    Raises:
        IndexRangeError: There is no such axis.

    Example:
        >>> from rumus.tensor import tensor
        >>> cumsum(tensor([[1, 2], [3, 4]]), axis=0).tolist()
        [[1, 2], [4, 6]]
    """
    row, along = _along("cumsum", x, axis, aliases)
    result: TensorT = CumSum(along)(row)
    return result


def cumprod(x: TensorBase[TensorT], axis: int | None = None, **aliases: Unpack[Aliases]) -> TensorT:
    """The products of all elements up to each one; see :func:`cumsum`.

    Example:
        >>> from rumus.tensor import tensor
        >>> cumprod(tensor([1.0, 2.0, 3.0])).tolist()
        [1.0, 2.0, 6.0]
    """
    row, along = _along("cumprod", x, axis, aliases)
    result: TensorT = CumProd(along)(row)
    return result


def cummax(
    x: TensorBase[TensorT], axis: int = -1, **aliases: Unpack[Aliases]
) -> ValuesAndIndices[TensorT]:
    """The largest element so far along an axis, and where the last such one is; NaN wins.

    The gradient goes there.

    Args:
        x: Of at least one axis.
        axis: The last one by default.
        aliases: ``dim`` is PyTorch's name of ``axis``.

    Returns:
        ``(values, indices)``, the indices int32.

    Raises:
        IndexRangeError: There is no such axis.

    Example:
        >>> from rumus.tensor import tensor
        >>> values, indices = cummax(tensor([1, 3, 2, 3]))
        >>> values.tolist(), indices.tolist()
        ([1, 3, 3, 3], [0, 1, 1, 3])
    """
    return _extreme("max", x, axis, aliases)


def cummin(
    x: TensorBase[TensorT], axis: int = -1, **aliases: Unpack[Aliases]
) -> ValuesAndIndices[TensorT]:
    """The smallest element so far along an axis; see :func:`cummax`.

    Example:
        >>> cummin(tensor([2, 1, 3]), 0).values.tolist()
        [2, 1, 1]
    """
    return _extreme("min", x, axis, aliases)


def logcumsumexp(x: TensorBase[TensorT], axis: int = -1, **aliases: Unpack[Aliases]) -> TensorT:
    """``log(cumsum(exp(x)))`` along an axis, without overflow; integers are taken as float32.

    Example:
        >>> from rumus.tensor import tensor
        >>> logcumsumexp(tensor([-1000.0, 1000.0])).tolist()
        [-1000.0, 1000.0]
    """
    if aliases:
        axis = axis_alias("logcumsumexp", aliases, axis, -1)
    values: Any = x if is_float(x.dtype) else Cast(float32)(x)
    result: TensorT = LogCumSumExp(axis_of("logcumsumexp", axis, x.ndim))(values)
    return result


def _along(name: str, x: TensorBase, axis: int | None, aliases: Aliases) -> tuple[TensorBase, int]:
    """The tensor and an axis of it; all elements in a row where none is given."""
    if aliases:
        axis = axis_alias(name, aliases, axis)
    if axis is not None:
        return x, axis_of(name, axis, x.ndim)
    return (x, 0) if x.ndim == 1 else (Reshape((x.size,))(x), 0)


def _extreme(
    op: str, x: TensorBase[TensorT], axis: int, aliases: Aliases
) -> ValuesAndIndices[TensorT]:
    name = f"cum{op}"
    if aliases:
        axis = axis_alias(name, aliases, axis, -1)
    if not x.ndim:
        raise ArgumentError(f"{name} takes a tensor with axes; reshape it to (1,)")
    function = CumExtreme(op, axis_of(name, axis, x.ndim))
    values: TensorT = function(x)
    return ValuesAndIndices(values, x._wrap(function.positions, x.device))
