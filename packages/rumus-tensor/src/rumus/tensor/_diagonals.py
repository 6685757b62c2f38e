"""What concerns the diagonals of matrices."""

from __future__ import annotations

from typing import Any

from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import bool_
from rumus._core.errors import ShapeError
from rumus._core.shapes import (
    whole_number,
)

from ._moving import movedim
from ._ops.elementwise import Elementwise
from ._ops.movement import Place, Reshape, Slice
from ._ops.reduce import Reduce


def tril(x: TensorBase[TensorT], k: int = 0, *, diagonal: int | None = None) -> TensorT:
    """The matrices in the last two axes with zeros above their ``k``-th diagonal.

    Args:
        x: Of shape (…, rows, columns).
        k: Diagonals above the main one that are kept, or with a minus those below that are not.
        diagonal: PyTorch's name of ``k``.

    Raises:
        ShapeError: There are fewer than two axes.

    Example:
        >>> tril(tensor([[1, 2], [3, 4]])).tolist()
        [[1, 0], [3, 4]]
    """
    return _banded("tril", "le", x, k if diagonal is None else diagonal)


def triu(x: TensorBase[TensorT], k: int = 0, *, diagonal: int | None = None) -> TensorT:
    """The matrices with zeros below their ``k``-th diagonal; see :func:`tril`.

    Example:
        >>> triu(tensor([[1, 2], [3, 4]])).tolist()
        [[1, 2], [0, 4]]
    """
    return _banded("triu", "ge", x, k if diagonal is None else diagonal)


def diagonal(x: TensorBase[TensorT], offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorT:
    """The diagonals of the matrices in two axes, as the last axis; a view where the layout allows.

    Args:
        x: Of at least two axes.
        offset: 1 is the diagonal above the main one, -1 the one below, and so on.
        axis1: The axis of the matrices' rows.
        axis2: That of their columns.

    Raises:
        ShapeError: There are fewer than two axes.
        ArgumentError: The two axes are one.

    Example:
        >>> diagonal(tensor([[1, 2], [3, 4]])).tolist()
        [1, 4]
    """
    if x.ndim < 2:
        raise ShapeError(f"diagonal takes at least two axes, not shape {x.shape}")
    moved: Any = movedim(x, (axis1, axis2), (-2, -1))
    rows, columns = moved.shape[-2:]
    flat = Reshape((*moved.shape[:-2], rows * columns))(moved)
    lines = [slice(0, n, 1) for n in moved.shape[:-2]]
    result: TensorT = Slice([*lines, _diagonal(rows, columns, offset)])(flat)
    return result


def diag(x: TensorBase[TensorT], k: int = 0, *, diagonal: int | None = None) -> TensorT:
    """The matrix with a vector on its ``k``-th diagonal, or the diagonal of a matrix.

    Args:
        x: Of one axis or two.
        k: As ``offset`` of :func:`diagonal`.
        diagonal: PyTorch's name of ``k``.

    Raises:
        ShapeError: There is another number of axes.

    Example:
        >>> diag(tensor([1, 2])).tolist()
        [[1, 0], [0, 2]]
    """
    k = k if diagonal is None else diagonal
    if x.ndim == 2:
        return _diagonal_of(x, k)
    if x.ndim != 1:
        raise ShapeError(f"diag takes one axis or two, not shape {x.shape}")
    n = x.size + abs(k)
    placed: Any = Place((n * n,), (_diagonal(n, n, k),))(x)
    result: TensorT = Reshape((n, n))(placed)
    return result


def trace(x: TensorBase[TensorT], offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorT:
    """The sum of :func:`diagonal`.

    Example:
        >>> trace(tensor([[1, 2], [3, 4]])).item()
        5
    """
    line: Any = diagonal(x, offset, axis1, axis2)
    result: TensorT = Reduce("sum", (line.ndim - 1,), False)(line)
    return result


_diagonal_of = diagonal


def _diagonal(rows: int, columns: int, offset: int) -> slice:
    """Where a diagonal lies in the flattened matrix."""
    length = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    start = offset if offset >= 0 else -offset * columns
    if not length:
        return slice(0, 0, 1)
    return slice(start, start + (length - 1) * (columns + 1) + 1, columns + 1)


def _banded(name: str, order: str, x: TensorBase[TensorT], k: int) -> TensorT:
    if x.ndim < 2:
        raise ShapeError(f"{name} takes matrices in the last two axes, not shape {x.shape}")
    rows, columns = x.shape[-2:]
    be = backend_of(x.device)
    last = be.elementwise("add", be.iota(rows), whole_number(name, k))
    inside = be.elementwise(order, be.iota(columns), be.reshape(last, (rows, 1)))
    result: TensorT = Elementwise("where")(
        x._wrap(inside, x.device), x, False if x.dtype == bool_ else 0
    )
    return result
