"""Tensors put into a diagonal or another part of a tensor whose other elements stay."""

from __future__ import annotations

import math

import numpy as np

from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import axis_of, whole_number

from ._creation import zeros
from ._diagonals import diag, diagonal
from ._gathering import take
from ._joining import where
from ._moving import broadcast_tensors, movedim
from ._places import fixed
from ._scattering import index_copy
from ._tensor import Tensor


def diag_embed(x: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices, in two new axes, with the last axis of ``x`` on a diagonal.

    Example:
        >>> from rumus.tensor import tensor
        >>> diag_embed(tensor([1, 2])).tolist()
        [[1, 0], [0, 2]]
    """
    n = x.shape[-1] + abs(offset)
    flat = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    rows = zeros((flat.shape[0], n, n), dtype=x.dtype, device=x.device)
    wide = diagonal_scatter(rows, flat, offset, 1, 2).reshape(*x.shape[:-1], n, n)
    ndim = x.ndim + 1
    places = axis_of("diag_embed", dim1, ndim), axis_of("diag_embed", dim2, ndim)
    if places[0] == places[1]:
        raise ArgumentError(f"diag_embed: {dim1} and {dim2} are one axis")
    return movedim(wide, (-2, -1), places)


def diagflat(x: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on a diagonal.

    Example:
        >>> from rumus.tensor import tensor
        >>> diagflat(tensor([[1, 2]])).tolist()
        [[1, 0], [0, 2]]
    """
    return diag(x.reshape(-1), offset)


def select_scatter(x: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """``x`` with ``src`` in place of ``x``'s part at a position of an axis.

    Example:
        >>> from rumus.tensor import tensor
        >>> select_scatter(tensor([[1, 2], [3, 4]]), tensor([8, 9]), 0, 1).tolist()
        [[1, 2], [8, 9]]
    """
    axis = axis_of("select_scatter", dim, x.ndim)
    index = whole_number("select_scatter", index)
    return slice_scatter(x, src.unsqueeze(axis), axis, index, index + 1 or None)


def slice_scatter(
    x: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """``x`` with ``src`` in place of a slice of an axis.

    Raises:
        ShapeError: ``src`` has not the slice's shape.

    Example:
        >>> from rumus.tensor import tensor
        >>> slice_scatter(tensor([1, 2, 3]), tensor([8, 9]), 0, 0, None, 2).tolist()
        [8, 2, 9]
    """
    axis = axis_of("slice_scatter", dim, x.ndim)
    places = range(*slice(start, end, step).indices(x.shape[axis]))
    wanted = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    if src.shape != wanted:
        raise ShapeError(f"slice_scatter: the slice has shape {wanted}, and src {src.shape}")
    if not places:
        return x * 1
    index = fixed(np.array(places), x.device)
    return index_copy(x, axis, index, src.to(x.dtype))


def diagonal_scatter(
    x: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """``x`` with ``src`` in place of a diagonal; arguments as of :func:`diagonal`.

    Raises:
        ShapeError: ``src`` has not the diagonal's shape.

    Example:
        >>> from rumus.tensor import tensor
        >>> diagonal_scatter(tensor([[1, 2], [3, 4]]), tensor([8, 9])).tolist()
        [[8, 2], [3, 9]]
    """
    wanted = diagonal(x, offset, dim1, dim2).shape
    if src.shape != wanted:
        raise ShapeError(f"diagonal_scatter: the diagonal has shape {wanted}, and src {src.shape}")
    moved = movedim(x, (dim1, dim2), (-2, -1))
    rows, columns = moved.shape[-2:]
    flat = moved.reshape(*moved.shape[:-2], rows * columns)
    start = offset if offset >= 0 else -offset * columns
    stop = start + wanted[-1] * (columns + 1)
    placed = (
        slice_scatter(flat, src, flat.ndim - 1, start, stop, columns + 1) if wanted[-1] else flat
    )
    return movedim(placed.reshape(moved.shape), (-2, -1), (dim1, dim2))


def masked_scatter(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """``x`` with the elements of ``source``, in order, where ``mask`` is true; the two broadcast.

    Raises:
        ShapeError: They do not, or ``source`` is empty.
        IndexRangeError: ``mask`` is true more often than ``source`` has elements; on the GPU, when
            results are next read.

    Example:
        >>> from rumus.tensor import tensor
        >>> masked_scatter(tensor([1, 2, 3]), tensor([True, False, True]), tensor([8, 9])).tolist()
        [8, 2, 9]
    """
    x, inside = broadcast_tensors(x, mask.to("bool"))
    if not source.size:
        raise ShapeError(f"masked_scatter: a source of shape {source.shape} has nothing to give")
    place = inside.reshape(-1).to("int32").cumsum(0) - 1
    chosen = take(source.reshape(-1), place.clip(0))
    return where(inside, chosen.reshape(x.shape), x)
