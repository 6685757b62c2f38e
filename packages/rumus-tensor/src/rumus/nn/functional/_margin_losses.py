"""Losses that ask for a margin, and those of pairs and triplets."""

from __future__ import annotations

from rumus._core.errors import ArgumentError, ShapeError
from rumus.tensor._joining import where
from rumus.tensor._operand import apply
from rumus.tensor._tensor import Tensor

from ._loss_checks import Reduction, check_same_shape, check_tensors, in_single, reduced


def hinge_embedding_loss(
    prediction: Tensor, target: Tensor, margin: float = 1.0, reduction: Reduction = "mean"
) -> Tensor:
    """``x`` where the target is 1, ``max(0, margin - x)`` where it is -1.

    Args:
        prediction: Distances x, floats of any shape.
        target: 1 or -1, of the same shape.
        margin: How far apart those of -1 should be.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> from rumus.tensor import tensor
        >>> hinge_embedding_loss(tensor([0.5, 0.25]), tensor([1.0, -1.0])).item()
        0.625
    """
    name = "hinge_embedding_loss"
    check_same_shape(name, prediction, target)
    (wide, aim), dtype = in_single(prediction, target)
    losses = where(aim == 1, wide, 0.0) + where(aim == -1, (margin - wide).relu(), 0.0)
    return reduced(name, losses, reduction, dtype)


def soft_margin_loss(prediction: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """``log(1 + exp(-t x))`` of targets t of 1 or -1; arguments as in :func:`hinge_embedding_loss`.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{soft_margin_loss(tensor([0.5, 2.0]), tensor([1.0, -1.0])):.4f}"
        '1.3005'
    """
    check_same_shape("soft_margin_loss", prediction, target)
    (wide, aim), dtype = in_single(prediction, target)
    return reduced("soft_margin_loss", (-aim * wide).softplus(), reduction, dtype)


def margin_ranking_loss(
    x1: Tensor, x2: Tensor, target: Tensor, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor:
    """``max(0, -t (x1 - x2) + margin)``: the first should rank higher where the target is 1.

    Args:
        x1: Floats of any shape.
        x2: Of the same shape.
        target: 1, or -1 where the second should rank higher, of the same shape.
        margin: By how much.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> from rumus.tensor import tensor
        >>> margin_ranking_loss(tensor([1.0]), tensor([0.75]), tensor([1.0]), margin=0.5).item()
        0.25
    """
    name = "margin_ranking_loss"
    check_same_shape(name, x1, x2)
    check_same_shape(name, x1, target)
    (first, second, aim), dtype = in_single(x1, x2, target)
    return reduced(name, (margin - aim * (first - second)).relu(), reduction, dtype)


def cosine_embedding_loss(
    x1: Tensor, x2: Tensor, target: Tensor, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor:
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    Args:
        x1: Vectors, of shape (N, D) or (D,).
        x2: Of the same shape.
        target: 1 or -1, of shape (N,) or ().
        margin: From -1 to 1.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes do not fit.

    Example:
        >>> from rumus.tensor import tensor
        >>> x = tensor([[1.0, 0.0]])
        >>> cosine_embedding_loss(x, x, tensor([1])).item()
        0.0
    """
    name = "cosine_embedding_loss"
    check_same_shape(name, x1, x2)
    check_tensors(name, target)
    if x1.ndim not in (1, 2) or target.shape != x1.shape[:-1]:
        raise ShapeError(
            f"{name} takes vectors (N, D) and targets (N,), or (D,) and (), not {x1.shape} and "
            f"{target.shape}"
        )
    (first, second, aim), dtype = in_single(x1, x2, target)
    squares = ((given * given).sum(-1) + 1e-12 for given in (first, second))
    one, other = squares
    cos = (first * second).sum(-1) / (one * other).sqrt()
    losses = where(aim == 1, 1.0 - cos, 0.0) + where(aim == -1, (cos - margin).relu(), 0.0)
    return reduced(name, losses, reduction, dtype)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False
) -> Tensor:
    """``sum(|x1 - x2 + eps|**p)**(1 / p)`` over the last axis.

    Args:
        x1: Vectors, of shape (…, D).
        x2: Of a shape that broadcasts with it.
        p: The order of the norm.
        eps: Added to the differences, so that there is a gradient where they are 0.
        keepdims: Whether the last axis stays, with a length of 1.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{pairwise_distance(tensor([[0.0, 0.0]]), tensor([[3.0, 4.0]])).item():.3f}"
        '5.000'
    """
    check_tensors("pairwise_distance", x1, x2)
    return (x1 - x2 + eps).norm(p, -1, keepdims=keepdims)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)``.

    (Schroff et al., arXiv:1503.03832; ``swap`` from Balntas et al., BMVC 2016.)

    Args:
        anchor: Vectors, of shape (N, D) or (D,).
        positive: Of the same shape: what should be near.
        negative: Of the same shape: what should be farther, by ``margin``.
        margin: Positive.
        p: The order of the norm of distances.
        eps: See :func:`pairwise_distance`.
        swap: Whether the distance of positive and negative counts where it is smaller.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes differ.
        ArgumentError: ``margin`` is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> loss = triplet_margin_loss(tensor([[0.0]]), tensor([[3.0]]), tensor([[1.0]]))
        >>> f"{loss:.4f}"
        '3.0000'
    """
    name = "triplet_margin_loss"
    check_same_shape(name, anchor, positive)
    check_same_shape(name, anchor, negative)
    if not margin > 0:
        raise ArgumentError(f"{name}: margin is positive, and {margin} was given")
    (a, near, far), dtype = in_single(anchor, positive, negative)
    apart = pairwise_distance(a, far, p, eps)
    if swap:
        apart = apply("minimum", apart, pairwise_distance(near, far, p, eps))
    losses = (pairwise_distance(a, near, p, eps) - apart + margin).relu()
    return reduced(name, losses, reduction, dtype)
