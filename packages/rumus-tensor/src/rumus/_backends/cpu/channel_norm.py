"""Normalisation of channels, computed in float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.contract.channel_norm import Running

from .movement import written
from .sums import total

Array = npt.NDArray[Any]
_SINGLE = np.float32


_BLOCK = 1 << 16  # elements: several arrays of so many stay in a core's cache


def channel_moments(a: Array, groups: int, eps: float, running: Running | None) -> Array:
    """``(mean, 1 / sqrt(var + eps))`` of each statistic."""
    shape, axes, count = _grouped(a.shape, groups)
    a = a.reshape(shape)
    with np.errstate(all="ignore"):
        mean = (total(a, axes, True) / count).astype(_SINGLE, copy=False)
        parts = []
        for part in _blocks(shape):
            squares = np.subtract(a[part], mean[part] if groups else mean, dtype=_SINGLE)
            squares *= squares
            parts.append(total(squares, axes, True))
        sums = np.concatenate(parts) if groups else np.sum(parts, axis=0, dtype=np.float64)
        mean, var = mean.reshape(-1), np.asarray(sums / count, _SINGLE).reshape(-1)
        if running is not None:
            _follow(running, mean, var * _SINGLE(count / max(count - 1, 1)))
        return np.stack([mean, 1 / np.sqrt(var + _SINGLE(eps))])


def _follow(running: Running, mean: Array, var: Array) -> None:
    weight = _SINGLE(running.momentum)
    for average, value in ((running.mean, mean), (running.var, var)):
        average += weight * (value - average)
    if running.count is not None:
        np.add(running.count, 1, out=running.count)


def channel_norm_backward(
    a: Array,
    moments: Array,
    weight: Array | None,
    grad: Array,
    groups: int,
    needs: tuple[bool, bool],
) -> tuple[Array | None, Array | None, Array | None]:
    """``scale * (w - mean(w) - n * mean(w * n))`` of ``w = g * weight``; sums of n * g and g."""
    line = _SINGLE(1) if weight is None else weight.astype(_SINGLE, copy=False)[:, None]
    grad = grad.astype(_SINGLE, copy=False)
    shape, axes, count = _grouped(a.shape, groups)
    kept = tuple(1 if axis in axes else n for axis, n in enumerate(shape))
    mean, scale = (moment.reshape(kept) for moment in moments)
    pairs = np.zeros((2, a.shape[1]), np.float64)
    into_a = np.empty(a.shape, _SINGLE) if needs[0] else None

    def normalised(part: slice) -> Array:
        of = part if groups else slice(None)
        rows = a[part]
        n = np.subtract(rows.reshape(len(rows), *shape[1:]), mean[of], dtype=_SINGLE)
        n *= scale[of]
        return np.asarray(n)

    def give(part: slice, n: Array, along: Array, middle: Array) -> None:
        if into_a is not None:
            w = (grad[part] * line).reshape(n.shape)
            n *= along
            w -= middle
            w -= n
            w *= scale[part if groups else slice(None)]
            into_a[part] = w.reshape(into_a[part].shape)

    with np.errstate(all="ignore"):
        for part in _blocks(a.shape):
            n = normalised(part)
            products = n.reshape(grad[part].shape) * grad[part]
            pairs += [total(products, (0, 2), False), total(grad[part], (0, 2), False)]
            if groups and needs[0]:
                w = (grad[part] * line).reshape(n.shape)
                products = (products * line).reshape(n.shape)
                means = (total(of, axes, True) / count for of in (products, w))
                give(part, n, *(m.astype(_SINGLE, copy=False) for m in means))
        if not groups and needs[0]:
            along, middle = ((of[:, None] * line / count).astype(_SINGLE) for of in pairs)
            for part in _blocks(a.shape):
                give(part, normalised(part), along, middle)
    dots, sums = pairs.astype(_SINGLE)
    return (into_a, dots, sums) if needs[1] else (into_a, None, None)


def _grouped(shape: tuple[int, ...], groups: int) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """The shape as it is summed, the axes to sum, and the elements of a statistic."""
    samples, channels, length = shape
    if groups == 0:
        return shape, (0, 2), samples * length
    length *= channels // groups
    return (samples, groups, length), (2,), length


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Samples at a time."""
    several = max(1, _BLOCK // max(shape[1] * shape[2], 1))
    return (slice(start, start + several) for start in range(0, max(shape[0], 1), several))


class ChannelNorm:
    """The family's part of the backend."""

    channel_moments = staticmethod(channel_moments)

    def channel_norm_backward(
        self,
        a: Array,
        moments: Array,
        weight: Array | None,
        grad: Array,
        groups: int,
        eps: float,
        needs: tuple[bool, bool],
        out: Array | None,
        bias_out: Array | None,
    ) -> tuple[Array | None, Array | None, Array | None]:
        into_a, dots, sums = channel_norm_backward(a, moments, weight, grad, groups, needs)
        if dots is not None and sums is not None:
            dots = dots if out is None else written(out, dots)
            sums = sums if bias_out is None else written(bias_out, sums)
        return into_a, dots, sums
