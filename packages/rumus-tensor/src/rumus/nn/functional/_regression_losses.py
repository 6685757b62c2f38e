"""Losses of numbers that are near or far."""

from __future__ import annotations

import math
from typing import Any, Literal

from rumus._core.errors import ArgumentError, ShapeError
from rumus.tensor._joining import where
from rumus.tensor._operand import apply
from rumus.tensor._tensor import Tensor

from ._loss_checks import Reduction, check_same_shape, check_tensors, in_single, reduced


def mse_loss(prediction: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Squared differences.

    Args:
        prediction: Floats of any shape.
        target: Of the same shape.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> from rumus.tensor import tensor
        >>> mse_loss(tensor([1.0, 3.0]), tensor([1.0, 1.0])).item()
        2.0
    """
    check_same_shape("mse_loss", prediction, target)
    (wide, aim), dtype = in_single(prediction, target)
    return reduced("mse_loss", apply("squared_difference", wide, aim), reduction, dtype)


def l1_loss(prediction: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Absolute differences; arguments as in :func:`mse_loss`.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> from rumus.tensor import tensor
        >>> l1_loss(tensor([1.0, 3.0]), tensor([1.0, 1.0])).item()
        1.0
    """
    check_same_shape("l1_loss", prediction, target)
    (wide, aim), dtype = in_single(prediction, target)
    return reduced("l1_loss", (wide - aim).abs(), reduction, dtype)


def smooth_l1_loss(
    prediction: Tensor, target: Tensor, reduction: Reduction = "mean", beta: float = 1.0
) -> Tensor:
    """``d**2 / (2 beta)`` of differences d below ``beta``, ``|d| - beta / 2`` of others.

    (Girshick, arXiv:1504.08083.) Arguments as in :func:`mse_loss`; with a ``beta`` of 0 it is
    :func:`l1_loss`.

    Raises:
        ShapeError: The shapes differ.
        ArgumentError: ``beta`` is negative.

    Example:
        >>> from rumus.tensor import tensor
        >>> smooth_l1_loss(tensor([0.0, 3.0]), tensor([1.0, 1.0])).item()
        1.0
    """
    if not beta >= 0:
        raise ArgumentError(f"smooth_l1_loss: beta is not negative, and {beta} was given")
    if beta == 0:
        return l1_loss(prediction, target, reduction)
    return _bent("smooth_l1_loss", prediction, target, reduction, beta, 1.0 / beta)


def huber_loss(
    prediction: Tensor, target: Tensor, reduction: Reduction = "mean", delta: float = 1.0
) -> Tensor:
    """``d**2 / 2`` of differences d below ``delta``, ``delta (|d| - delta / 2)`` of others.

    (Huber, Annals of Mathematical Statistics 35, 1964.) Arguments as in :func:`mse_loss`.

    Raises:
        ShapeError: The shapes differ.
        ArgumentError: ``delta`` is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> huber_loss(tensor([0.0, 3.0]), tensor([1.0, 1.0])).item()
        1.0
    """
    if not delta > 0:
        raise ArgumentError(f"huber_loss: delta is positive, and {delta} was given")
    return _bent("huber_loss", prediction, target, reduction, delta, 1.0)


def _bent(
    name: str, prediction: Tensor, target: Tensor, reduction: Reduction, bend: float, factor: float
) -> Tensor:
    """A parabola up to ``bend`` and its tangents beyond, times ``factor``."""
    check_same_shape(name, prediction, target)
    (wide, aim), dtype = in_single(prediction, target)
    away = (wide - aim).abs()
    near = away.clamp(max=bend)
    return reduced(name, near * (away - 0.5 * near) * factor, reduction, dtype)


def gaussian_nll_loss(
    prediction: Tensor,
    target: Tensor,
    var: Tensor,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> Tensor:
    """``(log(v) + (x - t)**2 / v) / 2``, of variances v of at least ``eps``.

    (Nix and Weigend, ICNN 1994.)

    Args:
        prediction: Means x, floats of any shape.
        target: Of the same shape, or with a length of 1 in some axes.
        var: Variances, likewise, or of that shape without its last axis. The gradient of those
            below ``eps`` is that at ``eps``.
        full: Whether to add the constant ``log(2 pi) / 2``.
        eps: The least variance.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes do not fit.
        ArgumentError: ``eps`` is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> gaussian_nll_loss(tensor([1.0, 2.0]), tensor([1.0, 4.0]), tensor([1.0, 1.0])).item()
        1.0
    """
    name = "gaussian_nll_loss"
    check_tensors(name, prediction, target, var)
    if not eps > 0:
        raise ArgumentError(f"{name}: eps is positive, and {eps} was given")
    shape = prediction.shape
    if var.shape == shape[:-1] and var.shape != shape:
        var = var.reshape(*var.shape, 1)
    for what, given in (("the target", target), ("var", var)):
        if given.ndim != len(shape) or any(
            n not in (1, m) for n, m in zip(given.shape, shape, strict=True)
        ):
            raise ShapeError(
                f"{name}: {what} has the shape of the prediction, {shape}, or a length of 1 in "
                f"some of its axes, not {given.shape}"
            )
    (wide, aim, spread), dtype = in_single(prediction, target, var)
    spread = spread + (spread.clamp(min=eps) - spread).detach()
    losses = 0.5 * (spread.log() + apply("squared_difference", wide, aim) / spread)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(name, losses, reduction, dtype)


def poisson_nll_loss(
    prediction: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> Tensor:
    """``exp(x) - t x``, of counts t under a Poisson distribution whose rate is ``exp(x)``.

    Args:
        prediction: x, or the rate itself; floats of any shape.
        target: Counts, of the same shape.
        log_input: Whether ``prediction`` is the rate's logarithm; else the loss is
            ``x - t log(x + eps)``.
        full: Whether to add Stirling's ``t log(t) - t + log(2 pi t) / 2`` where ``t > 1``.
        eps: See above.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> from rumus.tensor import tensor
        >>> poisson_nll_loss(tensor([0.0]), tensor([2.0])).item()
        1.0
    """
    name = "poisson_nll_loss"
    check_same_shape(name, prediction, target)
    (wide, aim), dtype = in_single(prediction, target)
    losses = wide.exp() - aim * wide if log_input else wide - aim * (wide + eps).log()
    if full:
        many = where(aim > 1, aim, 1.0)
        stirling = many * many.log() - many + 0.5 * (2 * math.pi * many).log()
        losses = losses + where(aim > 1, stirling, 0.0)
    return reduced(name, losses, reduction, dtype)


def kl_div(
    prediction: Tensor,
    target: Tensor,
    reduction: Reduction | Literal["batchmean"] = "mean",
    log_target: bool = False,
) -> Tensor:
    """``t (log(t) - x)``: the divergence of a distribution t from the one whose logarithm is x.

    (Kullback and Leibler, Annals of Mathematical Statistics 22, 1951.) 0 where ``t`` is.

    Args:
        prediction: Logarithms x of probabilities, of any shape.
        target: Probabilities of the same shape, or their logarithms.
        reduction: ``"batchmean"``, the sum over the length of the first axis, which is the
            divergence as it is defined; ``"mean"`` over all elements; ``"sum"``; ``"none"``.
        log_target: Whether ``target`` holds logarithms.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> from rumus.tensor import tensor
        >>> p = tensor([[0.5, 0.5]])
        >>> kl_div(p.log(), p, "batchmean").item()
        0.0
    """
    name = "kl_div"
    check_same_shape(name, prediction, target)
    (wide, aim), dtype = in_single(prediction, target)
    if log_target:
        losses = aim.exp() * (aim - wide)
    else:
        there = where(aim == 0, 1.0, aim)
        losses = where(aim == 0, -aim * wide, there * there.log() - aim * wide)
    if reduction != "batchmean":
        return reduced(name, losses, reduction, dtype)
    count: Any = prediction.shape[0] if prediction.ndim else 1
    return reduced(name, losses.sum() / count, "none", dtype)
