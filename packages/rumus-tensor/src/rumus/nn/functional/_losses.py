"""Losses: scalars to call ``backward()`` on.

Those of float16 are computed in float32, summed there, and rounded once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rumus._core.base import TensorBase
from rumus._core.dtypes import common_dtype, float16, float32, int32, is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor._joining import where
from rumus.tensor._operand import apply
from rumus.tensor._ops.rows import CrossEntropy, MeanCrossEntropy
from rumus.tensor._tensor import Tensor

_NO_CLASS = -(2**31)


def cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    reduction: str = "mean",
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy between a target and the softmax of logits over classes.

    ``-sum(q * log_softmax(logits))``, where q is 1 at the target's class, smoothed to
    ``(1 - s) * q + s / C`` (Szegedy et al., arXiv:1512.00567).

    Args:
        logits: Floats of shape (N, C), or (N, C, …).
        target: Class ids, int32 or uint8, of shape (N,), or (N, …). Floats of that shape are taken
            as class ids too and must be whole numbers (version 1 record files hold nothing else).
            Floats of the logits' shape are probabilities.
        reduction: ``"mean"`` over the rows that are not ignored (NaN if there are none),
            ``"sum"``, or ``"none"`` for the loss of each row, in the shape of the class ids.
        ignore_index: Rows with this class id count nothing. Class ids alone can be ignored.
        label_smoothing: s, from 0 to 1.

    Returns:
        float32.

    Raises:
        ShapeError: The shapes do not fit.
        DTypeError: The logits are no floats, the target is of bool, or one is no tensor.
        ArgumentError: A class id is outside [0, C) (on the GPU, raised when results are next read),
            a float class id is no whole number, or an option is out of range.
    """
    _check_reduction("cross_entropy_loss", reduction)
    _check_tensors("cross_entropy_loss", logits, target)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"label_smoothing is from 0 to 1, not {label_smoothing}")
    if not is_float(logits.dtype):
        raise DTypeError(f"cross_entropy_loss takes float logits, not {logits.dtype}")
    if logits.ndim < 2:
        raise ShapeError(f"cross_entropy_loss takes logits of shape (N, C, …), not {logits.shape}")
    batch = (logits.shape[0], *logits.shape[2:])
    if is_float(target.dtype) and target.shape == logits.shape:
        return _soft_cross_entropy(logits, target, reduction, label_smoothing)
    if target.shape != batch:
        raise ShapeError(
            f"cross_entropy_loss: logits {logits.shape} need a target of class ids of shape "
            f"{batch} or of probabilities of shape {logits.shape}, not {target.shape}"
        )
    rows = _rows(logits)
    ids = _class_ids(target).reshape(rows.shape[0])
    if reduction == "mean":
        return MeanCrossEntropy(ignore_index, float(label_smoothing))(rows, ids)
    losses = CrossEntropy(ignore_index, float(label_smoothing))(rows, ids)
    return losses.sum() if reduction == "sum" else losses.reshape(batch)


def mse_loss(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Squared differences.

    Args:
        prediction: Floats of any shape.
        target: Of the same shape.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes differ.
    """
    _check_same_shape("mse_loss", prediction, target)
    wide, aim, dtype = _in_single(prediction, target)
    return _reduced("mse_loss", apply("squared_difference", wide, aim), reduction, dtype)


def l1_loss(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Absolute differences; arguments as in :func:`mse_loss`.

    Raises:
        ShapeError: The shapes differ.
    """
    _check_same_shape("l1_loss", prediction, target)
    wide, aim, dtype = _in_single(prediction, target)
    return _reduced("l1_loss", (wide - aim).abs(), reduction, dtype)


def binary_cross_entropy_with_logits(
    logits: Tensor, target: Tensor, reduction: str = "mean"
) -> Tensor:
    """``-t * log(sigmoid(x)) - (1 - t) * log(1 - sigmoid(x))``, without overflow.

    Args:
        logits: Floats x of any shape.
        target: Probabilities t of the same shape.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: The shapes differ.
    """
    name = "binary_cross_entropy_with_logits"
    _check_same_shape(name, logits, target)
    wide, aim, dtype = _in_single(logits, target)
    return _reduced(name, apply("binary_cross_entropy", wide, aim), reduction, dtype)


def _rows(logits: Tensor) -> Tensor:
    """Logits as a matrix with the classes last."""
    if logits.ndim > 2:
        logits = logits.permute(0, *range(2, logits.ndim), 1)
    return logits.reshape(math.prod(logits.shape[:-1]), logits.shape[-1])


def _class_ids(target: Tensor) -> Tensor:
    if target.dtype.kind == "b":
        raise DTypeError("cross_entropy_loss takes class ids of int32 or uint8, not bool")
    if not is_float(target.dtype):
        return target.to(int32)
    ids, whole = target.to(int32), target.floor() == target
    if target.device.kind == "cpu" and not bool(whole.all()):
        raise ArgumentError("cross_entropy_loss: float class ids must be whole numbers")
    # A GPU is not waited for: there the id becomes one that is outside of any range.
    return where(whole, ids, _NO_CLASS)


def _soft_cross_entropy(logits: Tensor, target: Tensor, reduction: str, smoothing: float) -> Tensor:
    classes = logits.shape[1]
    q = target.to(float32)
    if smoothing:
        q = q * (1.0 - smoothing) + smoothing / classes
    losses = -(q * logits.to(float32).log_softmax(1)).sum(1)
    return _reduced("cross_entropy_loss", losses, reduction, float32)


def _check_same_shape(name: str, prediction: Tensor, target: Tensor) -> None:
    _check_tensors(name, prediction, target)
    if prediction.shape != target.shape:
        raise ShapeError(
            f"{name}: the prediction has shape {prediction.shape}, the target {target.shape}; "
            "they must be equal"
        )


def _check_tensors(name: str, *tensors: Tensor) -> None:
    for given in tensors:
        if not isinstance(given, TensorBase):
            raise DTypeError(
                f"{name} takes tensors, not a {type(given).__name__}; "
                "make one of it with rumus.tensor.tensor(...)"
            )


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(f"{name}: reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def _in_single(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, np.dtype[Any]]:
    """Both, in float32 where they meet in float16, and the dtype in which they meet."""
    dtype = common_dtype([prediction.dtype, target.dtype])
    if dtype == float16:
        prediction, target = prediction.to(float32), target.to(float32)
    return prediction, target, dtype


def _reduced(name: str, losses: Tensor, reduction: str, dtype: np.dtype[Any]) -> Tensor:
    """Losses reduced, and rounded once if they are of float16."""
    _check_reduction(name, reduction)
    if reduction == "mean":
        losses = losses.mean()
    elif reduction == "sum":
        losses = losses.sum()
    return losses.to(float16) if dtype == float16 else losses
