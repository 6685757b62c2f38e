"""Lengths and angles of vectors."""

from __future__ import annotations

from typing import Unpack

from rumus._core.errors import ShapeError
from rumus.tensor._aliases import Aliases, axis_alias
from rumus.tensor._gathering import index_select
from rumus.tensor._moving import broadcast_tensors
from rumus.tensor._places import triu_indices
from rumus.tensor._tensor import Tensor

from ._loss_checks import check_tensors


def normalize(
    x: Tensor, p: float = 2.0, axis: int = 1, eps: float = 1e-12, **aliases: Unpack[Aliases]
) -> Tensor:
    """Vectors along an axis over their length, or over ``eps`` where they are shorter.

    Args:
        x: A tensor of any shape.
        p: The order of the norm.
        axis: Along which the vectors lie, ``dim`` too.
        eps: The least length.

    Returns:
        A tensor of the shape of ``x``.

    Example:
        >>> from rumus.tensor import tensor
        >>> normalize(tensor([[3.0, 4.0], [0.0, 0.0]])).norm(axis=1).tolist()
        [1.0, 0.0]
    """
    if aliases:
        axis = axis_alias("normalize", aliases, axis, 1)
    check_tensors("normalize", x)
    return x / x.norm(p, axis, keepdims=True).clamp(min=eps)


def cosine_similarity(
    x1: Tensor, x2: Tensor, axis: int = 1, eps: float = 1e-8, **aliases: Unpack[Aliases]
) -> Tensor:
    """The cosines of the angles between vectors along an axis.

    Args:
        x1: A tensor of any shape.
        x2: A tensor whose shape broadcasts with that of ``x1``.
        axis: Along which the vectors lie, ``dim`` too.
        eps: The length that shorter vectors are taken to have.

    Returns:
        ``sum(x1 * x2) / (max(|x1|, eps) * max(|x2|, eps))``, without the axis.

    Example:
        >>> from rumus.tensor import tensor
        >>> cosine_similarity(tensor([[1.0, 0.0]]), tensor([[2.0, 0.0]])).tolist()
        [1.0]
    """
    if aliases:
        axis = axis_alias("cosine_similarity", aliases, axis, 1)
    check_tensors("cosine_similarity", x1, x2)
    pair = broadcast_tensors(x1, x2)
    first, second = (x / x.norm(2, axis, keepdims=True).clamp(min=eps) for x in pair)
    return (first * second).sum(axis)


def pdist(x: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of all pairs of rows, in the order of the rows.

    Args:
        x: Of shape (N, M).
        p: From 0 on.

    Returns:
        N (N - 1) / 2 numbers.

    Raises:
        ShapeError: x has not two axes.

    Example:
        >>> from rumus.tensor import tensor
        >>> pdist(tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]])).tolist()
        [5.0, 4.0, 3.0]
    """
    check_tensors("pdist", x)
    if x.ndim != 2:
        raise ShapeError(f"pdist takes x of (N, M), not {x.shape}")
    first, second = triu_indices(x.shape[0], x.shape[0], 1, x.device)
    return (index_select(x, 0, first) - index_select(x, 0, second)).norm(p, 1)
