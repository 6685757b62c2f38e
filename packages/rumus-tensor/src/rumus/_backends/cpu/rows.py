"""Softmax and cross-entropy over the rows of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._core.errors import ArgumentError

Array = npt.NDArray[Any]


def softmax(a: Array, log: bool) -> Array:
    """Softmax of each row, or its logarithm; the row's maximum is subtracted first."""
    with np.errstate(all="ignore"):
        y = _shifted(a)
        if log:
            y -= np.log(np.exp(y).sum(axis=1, keepdims=True))
        else:
            np.exp(y, out=y)
            y /= y.sum(axis=1, keepdims=True)
    return np.asarray(y, a.dtype)


def softmax_backward(y: Array, grad: Array, log: bool) -> Array:
    """``y * (g - sum(g * y))``, or ``g - exp(y) * sum(g)`` for the logarithm."""
    dtype = y.dtype
    y, grad = y.astype(np.float32, copy=False), grad.astype(np.float32, copy=False)
    with np.errstate(all="ignore"):
        if log:
            result = grad - np.exp(y) * grad.sum(axis=1, keepdims=True)
        else:
            result = y * (grad - (grad * y).sum(axis=1, keepdims=True))
    return np.asarray(result, dtype)


def cross_entropy(logits: Array, target: Array, ignore_index: int, smoothing: float) -> Array:
    """``-sum(q * log_softmax(logits))`` with ``q = (1 - smoothing) * one_hot + smoothing / n``."""
    kept, columns = _targets(logits, target, ignore_index)
    with np.errstate(all="ignore"):
        shifted = _shifted(logits)
        log_total = np.log(np.exp(shifted).sum(axis=1))
        loss = log_total - shifted[np.arange(len(columns)), columns]
        if smoothing:
            loss = (1 - smoothing) * loss + smoothing * (log_total - shifted.mean(axis=1))
    return np.where(kept, loss, 0).astype(np.float32)


def mean_of_kept(losses: Array, target: Array, ignore_index: int) -> Array:
    """The mean of the losses that are not ignored, and the weight of each."""
    count = np.float32(np.count_nonzero(target != ignore_index))
    with np.errstate(all="ignore"):
        return np.array([losses.sum(dtype=np.float32) / count, 1 / count], np.float32)


def cross_entropy_backward(
    logits: Array, target: Array, grad: Array, ignore_index: int, smoothing: float
) -> Array:
    """``g * (softmax(logits) - q)``, 0 for ignored rows."""
    kept, columns = _targets(logits, target, ignore_index)
    rows, classes = logits.shape
    with np.errstate(all="ignore"):
        result = _shifted(logits)
        np.exp(result, out=result)
        result /= result.sum(axis=1, keepdims=True)
        if smoothing:
            result -= np.float32(smoothing / classes)
        result[np.arange(rows), columns] -= np.float32(1 - smoothing)
        result *= np.asarray(grad, np.float32)[:, None]
    result[~kept] = 0
    return np.asarray(result, logits.dtype)


def _shifted(a: Array) -> Array:
    """Each row minus its maximum, in float32 and in memory of its own."""
    a = a.astype(np.float32, copy=False)
    return np.asarray(a - a.max(axis=1, keepdims=True, initial=-np.inf))


def _targets(logits: Array, target: Array, ignore_index: int) -> tuple[Array, Array]:
    """Which rows count, and the column of each row (0 where the row does not count)."""
    classes = logits.shape[1]
    kept = target != ignore_index
    wrong = kept & ((target < 0) | (target >= classes))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ArgumentError(
            f"cross_entropy_loss: target[{row}] is {int(target[row])}, "
            f"outside the {classes} classes (0 to {classes - 1})"
        )
    return kept, np.where(kept, target, 0)
