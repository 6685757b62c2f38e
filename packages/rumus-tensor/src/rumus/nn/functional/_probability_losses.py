"""Losses of independent probabilities."""

from __future__ import annotations

from rumus._core.errors import ArgumentError
from rumus.tensor._operand import apply
from rumus.tensor._ops.losses import BinaryCrossEntropy
from rumus.tensor._tensor import Tensor

from ._loss_checks import Reduction, check_fits, check_same_shape, check_tensors, in_single, reduced


def binary_cross_entropy(
    prediction: Tensor, target: Tensor, weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """``-w (t log(p) + (1 - t) log(1 - p))``, of logarithms of at least -100.

    :func:`binary_cross_entropy_with_logits` keeps more digits.

    Args:
        prediction: Probabilities p of any shape.
        target: Probabilities t of the same shape.
        weight: A factor w that broadcasts to that shape.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes do not fit.
        ArgumentError: A probability p is outside [0, 1] (on the CPU; on a GPU, which is not waited
            for, its loss is NaN).

    Example:
        >>> from rumus.tensor import tensor
        >>> binary_cross_entropy(tensor([0.5, 1.0]), tensor([1.0, 1.0])).item() * 2
        0.6931471824645996
    """
    name = "binary_cross_entropy"
    check_same_shape(name, prediction, target)
    check_tensors(name, weight)
    check_fits(name, "weight", weight, prediction.shape)
    if prediction.device.kind == "cpu" and bool(((prediction < 0) | (prediction > 1)).any()):
        raise ArgumentError(
            f"{name} takes probabilities from 0 to 1; for any numbers there is "
            "binary_cross_entropy_with_logits"
        )
    (wide, aim), dtype = in_single(prediction, target)
    losses: Tensor = BinaryCrossEntropy()(wide, aim)
    if weight is not None:
        losses = losses * weight
    return reduced(name, losses, reduction, dtype)


def binary_cross_entropy_with_logits(
    logits: Tensor,
    target: Tensor,
    reduction: Reduction = "mean",
    *,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``-w (v t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x)))``, without overflow.

    Args:
        logits: Floats x of any shape.
        target: Probabilities t of the same shape.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: A factor w that broadcasts to that shape.
        pos_weight: A factor v of what is true, that broadcasts to that shape.

    Raises:
        ShapeError: The shapes do not fit.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{binary_cross_entropy_with_logits(tensor([0.0]), tensor([1.0])):.4f}"
        '0.6931'
    """
    name = "binary_cross_entropy_with_logits"
    check_same_shape(name, logits, target)
    check_tensors(name, weight, pos_weight)
    check_fits(name, "weight", weight, logits.shape)
    check_fits(name, "pos_weight", pos_weight, logits.shape)
    (wide, aim), dtype = in_single(logits, target)
    if pos_weight is None:
        losses = apply("binary_cross_entropy", wide, aim)
    else:
        losses = aim * pos_weight * (-wide).softplus() + (1.0 - aim) * wide.softplus()
    if weight is not None:
        losses = losses * weight
    return reduced(name, losses, reduction, dtype)


def multilabel_soft_margin_loss(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """The mean over classes of ``-w (t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x)))``.

    Args:
        logits: Floats x of shape (…, C).
        target: 0 or 1, of the same shape.
        weight: A factor w for each class, of shape (C,).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``, of losses of shape (…).

    Raises:
        ShapeError: The shapes do not fit.

    Example:
        >>> from rumus.tensor import tensor
        >>> loss = multilabel_soft_margin_loss(tensor([[2.0, -1.0]]), tensor([[1.0, 0.0]]))
        >>> f"{loss:.4f}"
        '0.2201'
    """
    name = "multilabel_soft_margin_loss"
    check_same_shape(name, logits, target)
    check_tensors(name, weight)
    check_fits(name, "weight", weight, logits.shape)
    (wide, aim), dtype = in_single(logits, target)
    losses = apply("binary_cross_entropy", wide, aim)
    if weight is not None:
        losses = losses * weight
    return reduced(name, losses.mean(-1), reduction, dtype)
