"""Softmax and cross-entropy over the rows of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._core.errors import ArgumentError

from .sums import total

Array = npt.NDArray[Any]


def softmax(a: Array, log: bool) -> Array:
    """Softmax of each row, or its logarithm; the row's maximum is subtracted first."""
    with np.errstate(all="ignore"):
        y, top = _shifted(a)
        if log:
            y -= np.log1p(_rest(np.exp(y), top))
        else:
            np.exp(y, out=y)
            y /= row_sums(y)
    return np.asarray(y, a.dtype)


def softmax_backward(y: Array, grad: Array, log: bool) -> Array:
    """``y * (g - sum(g * y))``, or ``g - exp(y) * sum(g)`` for the logarithm."""
    dtype = y.dtype
    y, grad = y.astype(np.float32, copy=False), grad.astype(np.float32, copy=False)
    with np.errstate(all="ignore"):
        result = grad - np.exp(y) * row_sums(grad) if log else y * (grad - row_sums(grad * y))
    return np.asarray(result, dtype)


def cross_entropy(logits: Array, target: Array, ignore_index: int, smoothing: float) -> Array:
    """``-sum(q * log_softmax(logits))`` with ``q = (1 - smoothing) * one_hot + smoothing / n``."""
    kept, columns = _targets(logits, target, ignore_index)
    with np.errstate(all="ignore"):
        shifted, top = _shifted(logits)
        log_total = np.log1p(_rest(np.exp(shifted), top))[:, 0]
        loss = log_total - shifted[np.arange(len(columns)), columns]
        if smoothing:
            mean = row_sums(shifted)[:, 0] / np.float32(shifted.shape[1])
            loss = (1 - smoothing) * loss + smoothing * (log_total - mean)
    return np.where(kept, loss, 0).astype(np.float32)


def mean_of_kept(losses: Array, target: Array, ignore_index: int) -> Array:
    """The mean of the losses that are not ignored, and the weight of each."""
    count = np.float64(np.count_nonzero(target != ignore_index))
    with np.errstate(all="ignore"):
        return np.array([total(losses, (0,), False) / count, 1 / count], np.float32)


def cross_entropy_backward(
    logits: Array, target: Array, grad: Array, ignore_index: int, smoothing: float
) -> Array:
    """``g * (softmax(logits) - q)``, 0 for ignored rows."""
    kept, columns = _targets(logits, target, ignore_index)
    rows, classes = np.arange(len(logits)), logits.shape[1]
    with np.errstate(all="ignore"):
        result, top = _shifted(logits)
        np.exp(result, out=result)
        rest = _rest(result, top)
        one = np.float32(1) / (rest + np.float32(1))
        result[rows, top] = 1
        result *= one
        # 1 - p of the largest, which would lose its digits where p is nearly 1
        others = (rest * one)[:, 0]
        at_target = np.where(columns == top, -others, result[rows, columns] - np.float32(1))
        result[rows, columns] = at_target + np.float32(smoothing)
        if smoothing:
            result -= np.float32(smoothing / classes)
        result *= np.asarray(grad, np.float32)[:, None]
    result[~kept] = 0
    return np.asarray(result, logits.dtype)


def row_sums(a: Array) -> Array:
    """The sum of each row, as a column of float32."""
    return total(a, (1,), True).astype(np.float32, copy=False)


def _shifted(a: Array) -> tuple[Array, Array]:
    """Each row minus its maximum, in float32 and in memory of its own, and the maximum's column."""
    a = a.astype(np.float32, copy=False)
    if not a.size:
        return np.array(a), np.zeros(len(a), np.intp)
    top = a.argmax(axis=1)
    return np.asarray(a - a[np.arange(len(a)), top][:, None]), top


def _rest(parts: Array, top: Array) -> Array:
    """``sum(exp(shifted)) - 1`` of each row: all but its largest, whose own part is made 0."""
    if parts.size:
        parts[np.arange(len(parts)), top] -= 1
    return row_sums(parts)


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


class Rows:
    """The family's part of the backend."""

    softmax = staticmethod(softmax)
    softmax_backward = staticmethod(softmax_backward)
    cross_entropy = staticmethod(cross_entropy)
    mean_of_kept = staticmethod(mean_of_kept)
    cross_entropy_backward = staticmethod(cross_entropy_backward)
