"""Tensors put together, taken apart, or changed in a part, along their axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.registry import backend_of
from rumus._core.devices import CPU, Device
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import axis_of, broadcast_shape, whole_number

from ._counting import nonzero
from ._creation import zeros
from ._diagonals import diag, diagonal
from ._gathering import take
from ._joining import cat, stack, where
from ._likes import ones_like
from ._moving import broadcast_tensors, flip, movedim
from ._scattering import index_copy
from ._sorting import sort
from ._splitting import split
from ._tensor import Tensor

Parts = int | Sequence[int]


def atleast_1d(x: Tensor) -> Tensor:
    """A tensor without axes with one.

    Example:
        >>> from rumus.tensor import tensor
        >>> atleast_1d(tensor(2)).tolist()
        [2]
    """
    return x if x.ndim else x.reshape(1)


def atleast_2d(x: Tensor) -> Tensor:
    """A tensor of fewer axes with axes of length 1 in front.

    Example:
        >>> from rumus.tensor import tensor
        >>> atleast_2d(tensor([1, 2])).tolist()
        [[1, 2]]
    """
    return x if x.ndim > 1 else x.reshape(1, -1)


def atleast_3d(x: Tensor) -> Tensor:
    """A tensor of fewer axes with three, (1, n, 1) or (m, n, 1).

    Example:
        >>> from rumus.tensor import tensor
        >>> atleast_3d(tensor([1, 2])).shape
        (1, 2, 1)
    """
    return x if x.ndim > 2 else atleast_2d(x).unsqueeze(-1)


def fliplr(x: Tensor) -> Tensor:
    """The second axis back to front.

    Example:
        >>> from rumus.tensor import tensor
        >>> fliplr(tensor([[1, 2], [3, 4]])).tolist()
        [[2, 1], [4, 3]]
    """
    return flip(x, 1)


def flipud(x: Tensor) -> Tensor:
    """The first axis back to front.

    Example:
        >>> from rumus.tensor import tensor
        >>> flipud(tensor([[1, 2], [3, 4]])).tolist()
        [[3, 4], [1, 2]]
    """
    return flip(x, 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors behind each other along the third axis.

    Example:
        >>> from rumus.tensor import tensor
        >>> dstack([tensor([1, 2]), tensor([3, 4])]).tolist()
        [[[1, 3], [2, 4]]]
    """
    return cat([atleast_3d(x) for x in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Vectors as columns, and matrices, side by side.

    Example:
        >>> from rumus.tensor import tensor
        >>> column_stack([tensor([1, 2]), tensor([3, 4])]).tolist()
        [[1, 3], [2, 4]]
    """
    return cat([x if x.ndim > 1 else x.reshape(-1, 1) for x in tensors], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along a diagonal, zeros elsewhere.

    Raises:
        ShapeError: One has more than two axes.

    Example:
        >>> from rumus.tensor import tensor
        >>> block_diag(tensor([[1, 2]]), tensor([3])).tolist()
        [[1, 2, 0], [0, 0, 3]]
    """
    parts = [atleast_2d(x) for x in tensors]
    if not parts or any(x.ndim > 2 for x in parts):
        raise ShapeError(f"block_diag takes matrices, not shapes {[x.shape for x in tensors]}")
    width = sum(x.shape[1] for x in parts)
    rows, left = [], 0
    for x in parts:
        height, inside = x.shape
        sides = [
            zeros((height, n), dtype=x.dtype, device=x.device)
            for n in (left, width - left - inside)
        ]
        rows.append(cat([sides[0], x, sides[1]], 1))
        left += inside
    return cat(rows, 0)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All choices of one element of each vector, a row each; the vector itself, if there is one.

    Example:
        >>> from rumus.tensor import tensor
        >>> cartesian_prod(tensor([1, 2]), tensor([3, 4])).tolist()
        [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    if len(tensors) == 1:
        return tensors[0]
    shape = [x.size for x in tensors]
    wide = [
        x.reshape([-1 if k == axis else 1 for k in range(len(shape))]).expand(shape).reshape(-1)
        for axis, x in enumerate(tensors)
    ]
    return stack(wide, 1)


def combinations(x: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a vector, a row each, in the order of their places.

    Raises:
        ArgumentError: ``r`` is negative.

    Example:
        >>> from rumus.tensor import tensor
        >>> combinations(tensor([1, 2, 3])).tolist()
        [[1, 2], [1, 3], [2, 3]]
    """
    if r < 0:
        raise ArgumentError(f"combinations: r is from 0 on, not {r}")
    chosen = (
        itertools.combinations_with_replacement if with_replacement else itertools.combinations
    )(range(x.size), r)
    rows = list(chosen)
    places = np.array(rows, np.int32).reshape(len(rows), r)
    return take(x, _fixed(places, x.device))


def tril_indices(row: int, col: int, offset: int = 0, device: Device | str = CPU) -> Tensor:
    """The rows and columns of the places on and below a diagonal, int32 of shape (2, n).

    Example:
        >>> tril_indices(2, 2).tolist()
        [[0, 1, 1], [0, 0, 1]]
    """
    return _fixed(np.stack(np.tril_indices(row, offset, col)), device)


def triu_indices(row: int, col: int, offset: int = 0, device: Device | str = CPU) -> Tensor:
    """The rows and columns of the places on and above a diagonal, int32 of shape (2, n).

    Example:
        >>> triu_indices(2, 2).tolist()
        [[0, 0, 1], [0, 1, 1]]
    """
    return _fixed(np.stack(np.triu_indices(row, offset, col)), device)


def argwhere(x: Tensor) -> Tensor:
    """The positions of elements that are not 0, a row each; see :func:`nonzero`.

    Example:
        >>> from rumus.tensor import tensor
        >>> argwhere(tensor([[0, 1], [2, 0]])).tolist()
        [[0, 1], [1, 0]]
    """
    if not x.ndim:
        return zeros((nonzero(x.reshape(1))[0].size, 0), dtype=np.int32, device=x.device)
    found: tuple[Tensor, ...] = nonzero(x)
    return stack(found, 1)


def unravel_index(index: Tensor, shape: Parts) -> tuple[Tensor, ...]:
    """The positions along each axis of flat positions in a shape.

    Example:
        >>> from rumus.tensor import tensor
        >>> [t.tolist() for t in unravel_index(tensor([1, 5]), (2, 3))]
        [[0, 1], [1, 2]]
    """
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    steps = [math.prod(lengths[axis + 1 :]) for axis in range(len(lengths))]
    return tuple(index // step % length for step, length in zip(steps, lengths, strict=True))


def broadcast_shapes(*shapes: Parts) -> tuple[int, ...]:
    """The shape to which all of some shapes broadcast.

    Raises:
        ShapeError: There is none.

    Example:
        >>> broadcast_shapes((3, 1), (4,))
        (3, 4)
    """
    listed = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    return broadcast_shape("broadcast_shapes", *listed) if listed else ()


def tensor_split(
    x: Tensor, indices_or_sections: Any, axis: int = 0, *, dim: int | None = None
) -> tuple[Tensor, ...]:
    """Views of parts along an axis: so many, the first ones longer by one, or cut at positions.

    Raises:
        ArgumentError: There are no parts.

    Example:
        >>> from rumus.tensor import arange
        >>> [t.tolist() for t in tensor_split(arange(5), 3)]
        [[0, 1], [2, 3], [4]]
    """
    axis = axis_of("tensor_split", axis if dim is None else dim, x.ndim)
    given = (
        indices_or_sections.tolist()
        if isinstance(indices_or_sections, Tensor)
        else indices_or_sections
    )
    if isinstance(given, Sequence):
        return split(x, list(given), axis)
    parts, n = whole_number("tensor_split", given), x.shape[axis]
    if parts < 1:
        raise ArgumentError(f"tensor_split: at least 1 part, not {parts}")
    lengths = [n // parts + (k < n % parts) for k in range(parts)]
    return split(x, list(itertools.accumulate(lengths))[:-1], axis)


def hsplit(x: Tensor, indices_or_sections: Parts) -> tuple[Tensor, ...]:
    """:func:`split` along the second axis, or along the only one.

    Example:
        >>> from rumus.tensor import tensor
        >>> [t.tolist() for t in hsplit(tensor([[1, 2], [3, 4]]), 2)]
        [[[1], [3]], [[2], [4]]]
    """
    return split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


def vsplit(x: Tensor, indices_or_sections: Parts) -> tuple[Tensor, ...]:
    """:func:`split` along the first of several axes.

    Raises:
        ShapeError: There are fewer than two.

    Example:
        >>> from rumus.tensor import tensor
        >>> [t.tolist() for t in vsplit(tensor([[1, 2], [3, 4]]), 2)]
        [[[1, 2]], [[3, 4]]]
    """
    _check_axes("vsplit", x, 2)
    return split(x, indices_or_sections, 0)


def dsplit(x: Tensor, indices_or_sections: Parts) -> tuple[Tensor, ...]:
    """:func:`split` along the third axis.

    Raises:
        ShapeError: There are fewer than three.

    Example:
        >>> from rumus.tensor import zeros
        >>> [t.shape for t in dsplit(zeros(2, 3, 4), [1])]
        [(2, 3, 1), (2, 3, 3)]
    """
    _check_axes("dsplit", x, 3)
    return split(x, indices_or_sections, 2)


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
    index = _fixed(np.array(places), x.device)
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


def msort(x: Tensor) -> Tensor:
    """Elements in ascending order along the first axis.

    Example:
        >>> from rumus.tensor import tensor
        >>> msort(tensor([[3, 1], [2, 4]])).tolist()
        [[2, 1], [3, 4]]
    """
    return sort(x, 0)


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


def vander(x: Tensor, n: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of the elements of a vector, from the highest to 0, a row an element.

    Example:
        >>> from rumus.tensor import tensor
        >>> vander(tensor([2.0, 3.0]), 3).tolist()
        [[4.0, 2.0, 1.0], [9.0, 3.0, 1.0]]
    """
    count = x.size if n is None else n
    ones = ones_like(x.reshape(-1, 1))
    if count == 0:
        return ones[:, :0]
    powers = cat([ones, *[x.reshape(-1, 1)] * (count - 1)], 1).cumprod(1)
    return powers if increasing else flip(powers, 1)


def cross(a: Tensor, b: Tensor, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """The cross product of vectors of three along an axis.

    Raises:
        ShapeError: The axis has another length than 3.

    Example:
        >>> from rumus.tensor import tensor
        >>> cross(tensor([1, 0, 0]), tensor([0, 1, 0])).tolist()
        [0, 0, 1]
    """
    axis = axis if dim is None else dim
    left, right = movedim(a, axis, 0), movedim(b, axis, 0)
    if left.shape[0] != 3 or right.shape[0] != 3:
        raise ShapeError(f"cross: axis {axis} has length 3, unlike in {a.shape} and {b.shape}")
    parts = [left[i] * right[j] - left[j] * right[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    product: Tensor = stack(parts, 0)
    return movedim(product, 0, axis)


def _fixed(index: npt.NDArray[Any], device: Device | str) -> Tensor:
    """Positions that depend on shapes alone, so that a captured step may keep them."""
    device = Device(device)
    return Tensor._wrap(backend_of(device).constant(index.astype(np.int32)), device)


def _check_axes(name: str, x: Tensor, count: int) -> None:
    if x.ndim < count:
        raise ShapeError(f"{name} takes at least {count} axes, not shape {x.shape}")
