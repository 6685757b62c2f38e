"""How a reduction is laid out on the GPU: pure functions of shapes and strides."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .kernels import WORKGROUP
from .layout import Shape, Strides

ENOUGH_GROUPS = 4096
"""Workgroups that keep a large GPU busy to the end: several rounds on each of 132 processors."""
LONG_SHARE = 32
"""Loads of an invocation below which an axis is not split further."""
STREAM = 1 << 20
"""Elements from which memory, not latency, decides."""


class Layout(NamedTuple):
    """Elements at ``o * outer_step + r * step + i * inner_step``, reduced over r."""

    outer: int
    length: int
    inner: int
    outer_step: int
    step: int
    inner_step: int


def single_layout(dims: Shape, steps: Strides, kinds: tuple[bool, ...]) -> Layout | None:
    """The layout of a reduction that one kernel can walk, or None."""
    if sum(kinds) > 1 or len(dims) > 3:
        return None
    if True not in kinds:
        return single_layout((*dims, 1), (*steps, 1), (*kinds, True)) if len(dims) < 2 else None
    at = kinds.index(True)
    before, after = at, len(dims) - at - 1
    if before > 1 or after > 1:
        return None
    outer, outer_step = (dims[0], steps[0]) if before else (1, 0)
    inner, inner_step = (dims[-1], steps[-1]) if after else (1, 0)
    if not after:
        outer, outer_step, inner, inner_step = 1, 0, outer, outer_step
    return Layout(outer, dims[at], inner, outer_step, steps[at], inner_step)


def sequence_of_layouts(dims: Shape, steps: Strides, kinds: tuple[bool, ...]) -> list[Layout]:
    """The layouts of a contiguous reduction, one a group of axes, the last group first."""
    layouts = []
    left = list(dims)
    for axis in range(len(dims) - 1, -1, -1):
        if kinds[axis]:
            inner = prod(left[axis + 1 :])
            length = left[axis]
            layouts.append(Layout(prod(left[:axis]), length, inner, length * inner, inner, 1))
            left[axis] = 1
    return layouts or [Layout(1, 1, prod(dims), 0, 1, 1)]


def row_lanes(loads: int, rows: int, step: int) -> int:
    """Invocations for a row of so many vector loads: a power of two up to 256.

    Each gets at least 4 loads, and more where there are rows enough to fill the GPU: then fewer
    have to agree. Rows that lie side by side are read together by one invocation each.
    """
    if step != 1 and rows >= ENOUGH_GROUPS * WORKGROUP // 4:
        return 1
    lanes = 1
    while lanes < WORKGROUP and lanes * 4 < loads:
        if lanes * 2 * LONG_SHARE > loads and rows * lanes >= ENOUGH_GROUPS * WORKGROUP // 4:
            break
        lanes *= 2
    return lanes


def column_width(inner: int, rows: int) -> int:
    """Invocations side by side for strips of 4 columns each: a power of two up to 32.

    Small matrices get narrow strips, so that more rows are added at a time.
    """
    widest = 32 if inner * rows >= STREAM else 8
    width = 1
    while width < widest and width * 4 < inner:
        width *= 2
    return width


def split(length: int, groups: int, least: int, most: int) -> tuple[int, int]:
    """At most ``most`` parts of an axis, and their length: a multiple of 4, at least ``least``."""
    parts = min(-(-ENOUGH_GROUPS // groups), length // least, most)
    if parts <= 1:
        return 1, length
    share = -(-length // (4 * parts)) * 4
    return -(-length // share), share
