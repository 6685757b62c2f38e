"""Losses of class ids: cross-entropy, negative log-likelihood, margins between classes."""

from __future__ import annotations

import math

from rumus._core.dtypes import float32, int32, is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor._gathering import take
from rumus.tensor._joining import where
from rumus.tensor._ops.indexing import Gather
from rumus.tensor._ops.rows import CrossEntropy, MeanCrossEntropy
from rumus.tensor._spaced import arange
from rumus.tensor._tensor import Tensor

from ._loss_checks import (
    Reduction,
    check_classes,
    check_reduction,
    check_tensors,
    in_single,
    reduced,
)

_NO_CLASS = -(2**31)


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy between a target and the softmax of logits over classes.

    ``-sum(w * q * log_softmax(logits))``, where q is 1 at the target's class, smoothed to
    ``(1 - s) * q + s / C`` (Szegedy et al., arXiv:1512.00567).

    Args:
        logits: Floats of shape (N, C), (N, C, …) or (C,).
        target: Class ids, int32 or uint8, of shape (N,), (N, …) or (). Floats of that shape are
            taken as class ids too and must be whole numbers (version 1 record files hold nothing
            else). Floats of the logits' shape are probabilities.
        weight: A factor w for each class, of shape (C,).
        ignore_index: Rows with this class id count nothing. Class ids alone can be ignored.
        reduction: ``"mean"`` over the rows that are not ignored (NaN if there are none), each
            counting as much as its class weighs; ``"sum"``; or ``"none"`` for the loss of each
            row, in the shape of the class ids. Of probabilities the mean is that of all rows.
        label_smoothing: s, from 0 to 1.

    Returns:
        float32.

    Raises:
        ShapeError: The shapes do not fit.
        DTypeError: The logits are no floats, the target is of bool, or one is no tensor.
        ArgumentError: A class id is outside [0, C) (on the GPU, raised when results are next read),
            a float class id is no whole number, or an option is out of range.

    Example:
        >>> from rumus.tensor import tensor
        >>> cross_entropy(tensor([[0.0, 0.0], [0.0, 50.0]]), tensor([0, 1])).item() * 2
        0.6931471824645996
    """
    return _cross_entropy(
        "cross_entropy", logits, target, weight, ignore_index, reduction, label_smoothing
    )


def cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    reduction: Reduction = "mean",
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """:func:`cross_entropy` without class weights, under the name that it had first.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{cross_entropy_loss(tensor([[0.0, 0.0]]), tensor([1])):.4f}"
        '0.6931'
    """
    name = "cross_entropy_loss"
    return _cross_entropy(name, logits, target, None, ignore_index, reduction, label_smoothing)


def nll_loss(
    logs: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Tensor:
    """The negative log-likelihood of class ids: ``-w * logs`` at the target's class.

    Args:
        logs: Logarithms of probabilities, as of ``log_softmax``, of shape (N, C), (N, C, …), (C,).
        target: Class ids, as in :func:`cross_entropy`.
        weight: A factor w for each class, of shape (C,).
        ignore_index: As in :func:`cross_entropy`.
        reduction: As in :func:`cross_entropy`.

    Raises:
        ShapeError: The shapes do not fit.
        DTypeError: As in :func:`cross_entropy`.
        ArgumentError: As in :func:`cross_entropy`.

    Example:
        >>> from rumus.tensor import tensor
        >>> nll_loss(tensor([[-1.0, -2.0], [-3.0, -4.0]]), tensor([0, 1])).item()
        2.5
    """
    name = "nll_loss"
    check_reduction(name, reduction)
    check_tensors(name, logs, target, weight)
    logs, target, batch = _batched(name, logs, target)
    check_classes(name, weight, logs.shape[1])
    rows, ids = _rows(name, logs, target, batch)
    losses = _weighted(name, rows.to(float32), ids, weight, ignore_index, reduction, batch)
    return losses.to(logs.dtype)


def multi_margin_loss(
    scores: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """``sum(max(0, margin - x[t] + x[i])**p) * w[t] / C`` over the other classes i.

    Args:
        scores: Floats x of shape (N, C) or (C,).
        target: Class ids t, of shape (N,) or ().
        p: 1 or 2.
        margin: By how much the target's score should be larger.
        weight: A factor w for each class, of shape (C,).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes do not fit.
        ArgumentError: p is neither 1 nor 2, or a class id is outside [0, C).

    Example:
        >>> from rumus.tensor import tensor
        >>> multi_margin_loss(tensor([[1.0, 0.5]]), tensor([0])).item()
        0.25
    """
    name = "multi_margin_loss"
    check_tensors(name, scores, target, weight)
    if p not in (1, 2):
        raise ArgumentError(f"{name}: p is 1 or 2, not {p}")
    scores, target, batch = _batched(name, scores, target)
    classes = scores.shape[1]
    check_classes(name, weight, classes)
    rows, ids = _rows(name, scores, target, batch)
    (wide,), dtype = in_single(rows)
    short = (margin - _picked(name, wide, ids).reshape(-1, 1) + wide).relu()
    short = where(ids.reshape(-1, 1) == arange(classes, device=ids.device), 0.0, short)
    losses = (short if p == 1 else short * short).sum(1) / classes
    if weight is not None:
        losses = losses * take(weight, ids, 0)
    return reduced(name, losses.reshape(batch), reduction, dtype)


def multilabel_margin_loss(scores: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """``sum(max(0, 1 - (x[j] - x[i]))) / C`` over target classes j and other classes i.

    Args:
        scores: Floats x of shape (N, C) or (C,).
        target: Class ids of the same shape; those behind the first -1 of a row do not count, and
            one that is there twice counts twice.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes differ.
        DTypeError: The target holds no integers.
        IndexRangeError: A class id is outside [0, C).

    Example:
        >>> from rumus.tensor import tensor
        >>> multilabel_margin_loss(tensor([[1.0, 0.5]]), tensor([[0, -1]])).item()
        0.25
    """
    name = "multilabel_margin_loss"
    check_tensors(name, scores, target)
    if scores.shape != target.shape or scores.ndim not in (1, 2):
        raise ShapeError(
            f"{name}: scores and target have one shape, (N, C) or (C,), not {scores.shape} and "
            f"{target.shape}"
        )
    if is_float(target.dtype):
        raise DTypeError(f"{name} takes class ids of int32, not {target.dtype}")
    batch, classes = scores.shape[:-1], scores.shape[-1]
    (wide,), dtype = in_single(scores.reshape(-1, classes))
    ids = target.reshape(-1, classes).to(int32)
    valid = (ids >= 0).to(int32).cumprod(1) == 1
    chosen = _picked(name, wide, where(valid, ids, 0)).reshape(-1, classes)
    hits = (ids.unsqueeze(2) == arange(classes, device=ids.device)) & valid.unsqueeze(2)
    pairs = valid.unsqueeze(2) & ~hits.any(1, keepdims=True)
    short = (1.0 - chosen.unsqueeze(2) + wide.unsqueeze(1)).relu()
    losses = where(pairs, short, 0.0).sum((1, 2)) / classes
    return reduced(name, losses.reshape(batch), reduction, dtype)


def _cross_entropy(
    name: str,
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: Reduction,
    label_smoothing: float,
) -> Tensor:
    check_reduction(name, reduction)
    check_tensors(name, logits, target, weight)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"{name}: label_smoothing is from 0 to 1, not {label_smoothing}")
    logits, target, batch = _batched(name, logits, target, takes_probabilities=True)
    check_classes(name, weight, logits.shape[1])
    if is_float(target.dtype) and target.shape == logits.shape:
        losses = _of_probabilities(logits, target, weight, label_smoothing)
        return reduced(name, losses if batch else losses.reshape(()), reduction)
    rows, ids = _rows(name, logits, target, batch)
    if weight is not None:
        logs = rows.to(float32).log_softmax(1)
        return _weighted(name, logs, ids, weight, ignore_index, reduction, batch, label_smoothing)
    if reduction == "mean":
        return MeanCrossEntropy(ignore_index, float(label_smoothing))(rows, ids)
    losses = CrossEntropy(ignore_index, float(label_smoothing))(rows, ids)
    return losses.sum() if reduction == "sum" else losses.reshape(batch)


def _advice(
    target: tuple[int, ...],
    logits: tuple[int, ...],
    batch: tuple[int, ...],
    takes_probabilities: bool,
) -> str:
    """What makes a usual target, or usual logits, of another form fit."""
    if target == logits:
        floats = ", and target.to(float32) floats" if takes_probabilities else ""
        return f"; of one-hot rows target.argmax(axis=1) makes ids{floats}"
    if len(logits) > 2 and target == logits[:-1]:
        return f"; the classes are axis 1: logits.movedim(-1, 1) puts the {logits[-1]} there"
    if target == (batch[0], 1, *batch[1:]):
        return "; target.squeeze(1) takes out the axis"
    return ""


def _batched(
    name: str, logits: Tensor, target: Tensor, takes_probabilities: bool = False
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Logits of shape (N, C, …), their target, and the shape of the losses."""
    if not is_float(logits.dtype):
        raise DTypeError(f"{name} takes float logits, not {logits.dtype}")
    if logits.ndim == 0:
        raise ShapeError(f"{name} takes logits of shape (N, C), (N, C, …) or (C,), not ()")
    if logits.ndim == 1:
        if target.shape != () and not (takes_probabilities and target.shape == logits.shape):
            other = f" or probabilities of shape {logits.shape}" if takes_probabilities else ""
            raise ShapeError(
                f"{name}: logits {logits.shape} of one sample need a class id of shape (){other}, "
                f"not {target.shape}"
            )
        return logits.reshape(1, -1), target.reshape(1, *target.shape), ()
    batch = (logits.shape[0], *logits.shape[2:])
    if takes_probabilities and is_float(target.dtype) and target.shape == logits.shape:
        return logits, target, batch
    if target.shape != batch:
        other = f" or of probabilities, float32 of shape {logits.shape}," * takes_probabilities
        advice = _advice(target.shape, logits.shape, batch, takes_probabilities)
        raise ShapeError(
            f"{name}: logits {logits.shape} need a target of class ids of shape {batch}{other} not "
            f"{target.dtype} of shape {target.shape}{advice}"
        )
    return logits, target, batch


def _rows(
    name: str, logits: Tensor, target: Tensor, batch: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Logits as a matrix with the classes last, and an id for each of its rows."""
    if logits.ndim > 2:
        logits = logits.permute(0, *range(2, logits.ndim), 1)
    rows = logits.reshape(math.prod(logits.shape[:-1]), logits.shape[-1])
    return rows, _class_ids(name, target).reshape(rows.shape[0])


def _class_ids(name: str, target: Tensor) -> Tensor:
    if target.dtype.kind == "b":
        raise DTypeError(f"{name} takes class ids of int32 or uint8, not bool")
    if not is_float(target.dtype):
        return target.to(int32)
    ids, whole = target.to(int32), target.floor() == target
    if target.device.kind == "cpu" and not bool(whole.all()):
        raise ArgumentError(f"{name}: float class ids must be whole numbers")
    # A GPU is not waited for: there the id becomes one that is outside of any range.
    return where(whole, ids, _NO_CLASS)


def _picked(name: str, rows: Tensor, ids: Tensor) -> Tensor:
    """Of each row the elements at its ids, one or several."""
    count, classes = rows.shape
    gather = Gather(name, (count, classes, 1), (ids.size,), wrap=False)
    picked: Tensor = gather(rows, ids.reshape(count, ids.size // max(count, 1), 1))
    return picked


def _weighted(
    name: str,
    logs: Tensor,
    ids: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: Reduction,
    batch: tuple[int, ...],
    smoothing: float = 0.0,
) -> Tensor:
    """Losses of the rows of logarithms, each as heavy as its class."""
    kept = ids != ignore_index
    safe = where(kept, ids, 0)
    if weight is None:
        shares = kept.to(float32)
        total = logs
    else:
        factors = weight.to(float32)
        shares = take(factors, safe, 0) * kept.to(float32)
        total = logs * factors
    losses = where(kept, -_picked(name, logs, safe) * shares, 0.0)
    if smoothing:
        spread = where(kept, -total.sum(1), 0.0)
        losses = losses * (1.0 - smoothing) + spread * (smoothing / logs.shape[1])
    if reduction == "mean":
        return losses.sum() / shares.sum()
    return losses.sum() if reduction == "sum" else losses.reshape(batch)


def _of_probabilities(
    logits: Tensor, target: Tensor, weight: Tensor | None, smoothing: float
) -> Tensor:
    classes = logits.shape[1]
    q = target.to(float32)
    if smoothing:
        q = q * (1.0 - smoothing) + smoothing / classes
    if weight is not None:
        q = q * weight.to(float32).reshape(classes, *(1,) * (logits.ndim - 2))
    return -(q * logits.to(float32).log_softmax(1)).sum(1)
