"""Shapes and strides, without a GPU: what a kernel has to walk, in as few axes as possible.

A layout is ``dims`` (the lengths) and one tuple of strides an array, both in elements. Nothing here
looks at data, so all of it is tested without an adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from math import prod

from rumus.gpu._array import contiguous_strides

Shape = tuple[int, ...]
Strides = tuple[int, ...]


class Mode(Enum):
    """How a kernel finds the elements of an input that belong to 4 neighbouring outputs."""

    VECTOR = "vector"
    """At the outputs' own flat position, on a vector boundary: one vector load."""
    SCALAR = "scalar"
    """One element for all outputs."""
    ROW = "row"
    """4 neighbours in a row, on a vector boundary: one division an axis, one vector load."""
    SPLAT = "splat"
    """One element for all 4: one division an axis, one load."""
    STEP = "step"
    """4 elements in a row, a stride apart: one division an axis, 4 loads."""
    STRIDED = "strided"
    """Anywhere: 4 divisions an axis, 4 loads."""
    PARAM = "param"
    """No array, but a number in the uniform block."""
    GIVEN = "given"
    """No array, but a value that the kernel has computed before."""
    DRAWN = "drawn"
    """A generator's state, under which the kernel draws a uniform number for each output."""

    @property
    def bound(self) -> bool:
        """Whether the input is an array."""
        return self not in (Mode.PARAM, Mode.GIVEN)

    @property
    def vectors(self) -> bool:
        """Whether the input is bound as an array of vectors."""
        return self in (Mode.VECTOR, Mode.ROW)

    @property
    def walks(self) -> bool:
        """Whether the input's strides are needed."""
        return self in (Mode.ROW, Mode.SPLAT, Mode.STEP, Mode.STRIDED)


@lru_cache(maxsize=4096)
def broadcast_strides(shape: Shape, strides: Strides, to: Shape) -> Strides:
    """Strides that repeat an array of ``shape`` over a larger one, by numpy's rules."""
    lead = len(to) - len(shape)
    return (0,) * lead + tuple(
        0 if length == 1 and wanted != 1 else stride
        for length, stride, wanted in zip(shape, strides, to[lead:], strict=True)
    )


def collapse(shape: Shape, strides: Sequence[Strides]) -> tuple[Shape, tuple[Strides, ...]]:
    """Drop axes of length 1 and merge neighbours that every array walks as one.

    Two axes are one where the outer stride is the inner stride times the inner length, for each
    array. At least one axis is left.
    """
    dims: list[int] = []
    kept: list[list[int]] = [[] for _ in strides]
    for axis, length in enumerate(shape):
        if length == 1:
            continue
        now = [s[axis] for s in strides]
        if dims and all(k[-1] == n * length for k, n in zip(kept, now, strict=True)):
            dims[-1] *= length
            for k, n in zip(kept, now, strict=True):
                k[-1] = n
        else:
            dims.append(length)
            for k, n in zip(kept, now, strict=True):
                k.append(n)
    if not dims:
        return (1,), tuple((1,) for _ in strides)
    return tuple(dims), tuple(tuple(k) for k in kept)


def load_mode(dims: Shape, strides: Strides, offset: int) -> Mode:
    """The cheapest way to load an input of a collapsed layout, for outputs in row-major order."""
    if not any(strides) or prod(dims) == 1:
        return Mode.SCALAR
    aligned = offset % 4 == 0
    if aligned and strides == contiguous_strides(dims):
        return Mode.VECTOR
    if dims[-1] % 4:
        return Mode.STRIDED
    if strides[-1] == 0:
        return Mode.SPLAT
    if strides[-1] == 1 and aligned and not any(s % 4 for s in strides[:-1]):
        return Mode.ROW
    return Mode.STEP


def store_mode(dims: Shape, strides: Strides, offset: int) -> Mode:
    """The cheapest way to store into a view without touching the elements around it."""
    aligned = offset % 4 == 0
    if aligned and prod(dims) % 4 == 0 and strides == contiguous_strides(dims):
        return Mode.VECTOR
    if dims[-1] % 4 == 0:
        if aligned and strides[-1] == 1 and not any(s % 4 for s in strides[:-1]):
            return Mode.ROW
        return Mode.STEP
    return Mode.STRIDED


@lru_cache(maxsize=4096)
def reshaped_strides(shape: Shape, strides: Strides, to: Shape) -> Strides | None:
    """Strides that show the same elements under another shape, or None where data must move."""
    if prod(shape) == 0:
        return contiguous_strides(to)
    dims, (steps,) = collapse(shape, [strides])
    result: list[int] = []
    axis, left = len(dims) - 1, dims[-1]
    step = steps[-1]
    for length in reversed(to):
        if length == 1:
            result.append(step)
            continue
        if left == 1 and axis > 0:
            axis -= 1
            left, step = dims[axis], steps[axis]
        if left % length:
            return None
        result.append(step)
        left //= length
        step *= length
    return tuple(reversed(result))


def reduction(
    shape: Shape, strides: Strides, axes: Sequence[int]
) -> tuple[Shape, Strides, tuple[bool, ...]]:
    """Collapse kept and reduced axes, each kind only with its own.

    Returns:
        Lengths, strides, and whether each axis is reduced; kept and reduced axes alternate unless
        a layout's strides keep neighbours of one kind apart.
    """
    dims: list[int] = []
    steps: list[int] = []
    kinds: list[bool] = []
    for axis, (length, stride) in enumerate(zip(shape, strides, strict=True)):
        if length == 1:
            continue
        reduced = axis in axes
        if dims and kinds[-1] == reduced and steps[-1] == stride * length:
            dims[-1] *= length
            steps[-1] = stride
        else:
            dims.append(length)
            steps.append(stride)
            kinds.append(reduced)
    return tuple(dims), tuple(steps), tuple(kinds)
