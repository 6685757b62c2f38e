"""Resampling along an axis, and windows as columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.bands import Band
from rumus._backends.contract.convolution import Pair, Slide

from .pooling import taps_of

Array = npt.NDArray[Any]


def resample(a: Array, axis: int, band: Band) -> Array:
    """See ``Backend.resample``."""
    lines = np.moveaxis(a, axis, -1)
    total = np.zeros((*lines.shape[:-1], band.count), np.float32)
    with np.errstate(all="ignore"):
        for tap in range(band.reach):
            some = np.flatnonzero(band.weights[:, tap])
            total[..., some] += lines[..., band.starts[some] + tap] * band.weights[some, tap]
    return np.moveaxis(total, -1, axis).astype(a.dtype, copy=False)


def unfold(x: Array, slide: Slide, kernel: Pair, size: Pair) -> Array:
    """See ``Backend.unfold``."""
    columns = np.zeros((*x.shape[:2], *kernel, *size), x.dtype)
    for (i, j), out, given in taps_of(slide, kernel, size, (x.shape[2], x.shape[3])):
        columns[:, :, i, j][out] = x[given]
    return columns.reshape(x.shape[0], math.prod(columns.shape[1:-2]), size[0] * size[1])


def fold(columns: Array, slide: Slide, kernel: Pair, size: Pair, plane: Pair) -> Array:
    """See ``Backend.fold``."""
    images = len(columns)
    channels = columns.shape[1] // (kernel[0] * kernel[1])
    parts = columns.reshape(images, channels, *kernel, *size)
    total = np.zeros((images, channels, *plane), np.float32)
    with np.errstate(all="ignore"):
        for (i, j), out, given in taps_of(slide, kernel, size, plane):
            total[given] += parts[:, :, i, j][out]
    return total.astype(columns.dtype, copy=False)


class Resample:
    """The family's part of the backend."""

    resample = staticmethod(resample)
    unfold = staticmethod(unfold)
    fold = staticmethod(fold)
