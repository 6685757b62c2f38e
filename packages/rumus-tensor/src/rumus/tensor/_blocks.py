"""Tensors put together and taken apart along their axes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.shapes import axis_of, broadcast_shape, whole_number

from ._creation import zeros
from ._joining import cat, stack
from ._likes import ones_like
from ._moving import flip, movedim
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


def msort(x: Tensor) -> Tensor:
    """Elements in ascending order along the first axis.

    Example:
        >>> from rumus.tensor import tensor
        >>> msort(tensor([[3, 1], [2, 4]])).tolist()
        [[2, 1], [3, 4]]
    """
    return sort(x, 0)


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


def _check_axes(name: str, x: Tensor, count: int) -> None:
    if x.ndim < count:
        raise ShapeError(f"{name} takes at least {count} axes, not shape {x.shape}")
