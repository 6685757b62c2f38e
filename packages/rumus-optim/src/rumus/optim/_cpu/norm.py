"""Norms of gradients on the CPU."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rumus.optim._contract import NORM_BLOCK
from rumus.optim._cpu.blocks import Span, flat, for_spans, read_block, spans


def host_norm(arrays: list[npt.NDArray[np.floating]], order: float) -> float:
    """The norm of order ``order`` over all elements of some arrays, accumulated in float64."""
    if order in (1, 2, math.inf):
        return _norm(arrays, order, 1.0)
    largest = _norm(arrays, math.inf, 1.0)
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    return largest * _norm(arrays, order, 1 / largest)


def block_squares(arrays: list[npt.NDArray[np.floating]]) -> npt.NDArray[np.float64]:
    """The sums of squares of each array's blocks; the arrays have one axis."""
    work = spans([a.size for a in arrays], NORM_BLOCK)
    sums = np.zeros(len(work))
    places = {span: k for k, span in enumerate(work)}

    def add(span: Span, buffers: list[npt.NDArray[np.float64]]) -> None:
        index, start, stop = span
        buffers[0][...] = arrays[index][start:stop]
        np.multiply(buffers[0], buffers[0], out=buffers[0])
        sums[places[span]] = buffers[0].sum()

    for_spans(work, "d", add)
    return np.where(np.isfinite(sums), sums, np.nan)


def _norm(arrays: list[npt.NDArray[np.floating]], order: float, scale: float) -> float:
    parts: list[float] = []

    def add(span: Span, buffers: list[npt.NDArray[np.float64]]) -> None:
        index, start, stop = span
        wide = buffers[0]
        array = arrays[index]
        if array.flags.c_contiguous:
            wide[...] = flat(array)[start:stop]
        else:
            narrow = np.empty(stop - start, np.float32)
            read_block(array, start, stop, 1.0, narrow)
            wide[...] = narrow
        if order != 2:
            np.abs(wide, out=wide)
        if scale != 1:
            np.multiply(wide, scale, out=wide)
        if order == math.inf:
            parts.append(float(wide.max()))
            return
        if order == 2:
            np.multiply(wide, wide, out=wide)
        elif order != 1:
            np.power(wide, order, out=wide)
        parts.append(float(wide.sum()))

    for_spans(spans([a.size for a in arrays]), "d", add)
    if order == math.inf:
        return float(np.max(parts, initial=0.0))
    # fsum rounds once, so the threads' order of arrival does not matter; it refuses inf and NaN.
    total = math.fsum(parts) if all(map(math.isfinite, parts)) else float(np.sum(parts))
    return float(total ** (1 / order))
