"""Sums of floats that keep their digits, whatever the layout.

numpy adds pairs of pairs along the axis that is innermost in memory; along any other it adds row
after row, so that the error grows with their number, and stops where a row no longer counts. Here
sixteen rows at a time are added in float32, then their sums in float64, in blocks that stay in
cache. The order depends on shape and strides alone.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

_BLOCK = 1 << 18  # elements: of the first sums, a sixteenth of it, that stay in cache
_ROWS = 16
_LINE = 1 << 13  # elements that numpy adds up pairwise in float32; more lose a digit with numpy 2.1
_SINGLE = np.dtype(np.float32)
_DOUBLE = np.dtype(np.float64)


def total(a: Array, axes: Shape, keepdims: bool) -> Array:
    """The sum of float32 or float16 over axes, in float32 or float64."""
    if prod([a.shape[axis] for axis in axes]) <= _ROWS or not a.size:
        return np.asarray(np.sum(a, axis=axes, keepdims=keepdims, dtype=_SINGLE))
    if axes == (a.ndim - 1,) and a.dtype == _SINGLE and a.flags.c_contiguous:
        return np.asarray(np.sum(a, axis=-1, keepdims=keepdims))
    walk = _walk(a.shape, a.strides, axes)
    sums = a.transpose(walk.order).reshape(walk.merged)
    for axis in walk.reduced:
        sums = _along(sums, axis)
    sums = sums.reshape(walk.kept).transpose(walk.back)
    return sums.reshape(walk.with_ones) if keepdims else sums


class _Walk(NamedTuple):
    order: Shape
    """The axes, from the largest stride to the smallest."""
    merged: Shape
    """Their lengths, neighbours of one kind joined where memory allows."""
    reduced: Shape
    """Which of these to reduce, the innermost first."""
    kept: Shape
    """Lengths of the axes that are left, in ``order``."""
    back: Shape
    """How to bring these into their own order."""
    with_ones: Shape


@lru_cache(maxsize=4096)
def _walk(shape: Shape, strides: Shape, axes: Shape) -> _Walk:
    order = sorted(range(len(shape)), key=lambda k: -abs(strides[k]) if strides[k] else -inf)
    merged: list[int] = []
    kinds: list[bool] = []
    step = 0
    for k in order:
        if shape[k] == 1:
            continue
        if kinds and kinds[-1] == (k in axes) and step == strides[k] * shape[k]:
            merged[-1] *= shape[k]
        else:
            merged.append(shape[k])
            kinds.append(k in axes)
        step = strides[k]
    left = [k for k in order if k not in axes]
    return _Walk(
        tuple(order),
        tuple(merged),
        tuple(position for position in reversed(range(len(kinds))) if kinds[position]),
        tuple(shape[k] for k in left),
        tuple(sorted(range(len(left)), key=left.__getitem__)),
        tuple(1 if k in axes else n for k, n in enumerate(shape)),
    )


def _along(a: Array, axis: int) -> Array:
    """Sums along one axis."""
    dtype = _SINGLE if a.shape[axis] <= _ROWS * _ROWS and a.dtype != _DOUBLE else _DOUBLE
    innermost = axis == a.ndim - 1
    if a.size <= _BLOCK or (innermost and a.dtype != np.float16):
        return _in_cache(a, axis, dtype)
    out = np.zeros(a.shape[:axis] + a.shape[axis + 1 :], dtype)
    _add_blocks(a, axis, out)
    return out


def _add_blocks(a: Array, axis: int, out: Array) -> None:
    """Add the sums along an axis to what is in ``out``, block by block."""
    each = a.size // len(a)
    if axis == 0:
        rows = _ROWS * max(1, _BLOCK // (_ROWS * each))
        for start in range(0, len(a), rows):
            out += _in_cache(a[start : start + rows], 0, out.dtype)
    elif each <= _BLOCK:
        several = _BLOCK // each
        for start in range(0, len(a), several):
            out[start : start + several] += _in_cache(a[start : start + several], axis, out.dtype)
    else:
        for at in range(len(a)):
            _add_blocks(a[at], axis - 1, out[at, ...])


def _in_cache(a: Array, axis: int, dtype: np.dtype[Any]) -> Array:
    """The sums along an axis of a block."""
    if a.dtype == np.float16:
        a = a.astype(_SINGLE)
    if axis == a.ndim - 1 and a.shape[axis] > 2 * _LINE and a.dtype == _SINGLE:
        return np.asarray(_line_sums(a), dtype)
    if axis == a.ndim - 1 or a.shape[axis] <= _ROWS:
        return np.asarray(np.add.reduce(a, axis=axis)).astype(dtype, copy=False)
    before, length, after = a.shape[:axis], a.shape[axis], a.shape[axis + 1 :]
    several = length // _ROWS
    whole = (slice(None),) * axis + (slice(0, several * _ROWS),)
    first = np.add.reduce(a[whole].reshape(*before, _ROWS, several, *after), axis=axis)
    wide = _SINGLE if several <= _ROWS and a.dtype != _DOUBLE else _DOUBLE
    sums = np.add.reduce(first.astype(wide, copy=False), axis=axis)
    if length % _ROWS:
        rest = (slice(None),) * axis + (slice(several * _ROWS, length),)
        sums += np.add.reduce(a[rest], axis=axis)
    return np.asarray(sums, dtype)


def _line_sums(a: Array) -> Array:
    """The sums of long lines of neighbours: pieces in float32, their sums in float64."""
    several = a.shape[-1] // _LINE
    whole = a[..., : several * _LINE].reshape(*a.shape[:-1], several, _LINE)
    sums = np.add.reduce(np.add.reduce(whole, axis=-1), axis=-1, dtype=_DOUBLE)
    if a.shape[-1] % _LINE:
        sums = sums + np.add.reduce(a[..., several * _LINE :], axis=-1)
    return np.asarray(sums)
