"""Adafactor's passes on the GPU: the same six dispatches for any number of matrices.

Sums of squares over blocks of matrices (``squares``) are joined to rows and columns (``join``) and
to each matrix's mean (``means``); then the frames of :mod:`rumus.optim._gpu.shaders` measure,
combine and update. Stacks of matrices too small for blocks take one more (``small``).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from typing import cast

import numpy as np

from rumus import gpu
from rumus.gpu import GpuArray, Pipeline
from rumus.optim._contract import GpuStep
from rumus.optim._gpu import shaders
from rumus.optim._gpu.rooms import Room
from rumus.optim._gpu.step import MOST_GROUPS, ArenaStep, Run

_ROWS = 64
_COLUMNS = 256
"""A block of a matrix, as adafactor_squares.wgsl takes it."""
_GROUP = 256
"""Threads of a workgroup."""
_SMALL = 64
"""Elements up to which a matrix is left to one thread."""
_MOST_THREADS = 32
_SUMS_A_THREAD = 8
"""Partial sums of an element are added up by one thread, by more of them from twice as many on."""

Table = list[tuple[int, ...]]
Owner = tuple[int, int]
"""The group and the slot of a parameter."""

_THINGS = {
    "small": ("stacks", "Stack"),
    "squares": ("matrices", "Matrix"),
    "join": ("joined", "Factor"),
}
"""What the blocks of a pass belong to: the binding, and its WGSL struct."""


class Work:
    """What a pass goes through.

    Attributes:
        things: stacks, matrices or factors.
        blocks: parts of them, a workgroup each, in the order of the slots.
        edges: the first block of each slot, and the number of blocks.
    """

    def __init__(self) -> None:
        self.things: Table = []
        self.blocks: Table = []
        self.edges = [0]

    def upload(self, name: str, index: int) -> list[GpuArray]:
        """The tables on the device, as the pass binds them."""
        return [_upload(t, index) for t in (self.blocks, self.things)[: 1 + (name in _THINGS)]]


class Layout:
    """How Adafactor cuts a room's parameters into work.

    Attributes:
        works: by pass.
        tables: the works' tables on the device.
        shapes: where each parameter's factors lie, on the device.
        partials: room for partial sums.
    """

    def __init__(self, room: Room) -> None:
        self.works = {name: Work() for name in ("small", "squares", "join", "means")}
        self._mean_at = room.states["means"].offset
        self._reserved = 0
        shapes = [self._add(room, k) for k in range(len(room.params))]
        index = room.device_index
        self.tables = {name: work.upload(name, index) for name, work in self.works.items()}
        self.shapes = _upload(shapes, index)
        self.partials = gpu.persist(gpu.empty((max(self._reserved, 4),), np.float32, index))

    def _add(self, room: Room, k: int) -> tuple[int, ...]:
        """Note the work for a parameter's matrices; its row of `shapes`."""
        start, parameter = room.places[k], room.params[k]
        if parameter.ndim < 2:
            shape = [start, 1, max(parameter.size, 1), 0, room.place("v", k), 0, 0]
        else:
            rows, columns = parameter.shape[-2:]
            factors = [room.place("row", k), room.place("column", k), self._mean_at]
            shape = [start, rows, columns, *factors, 1]
            count = parameter.size // max(rows * columns, 1)
            self._mean_at += count
            self._add_stack(start, count, (rows, columns), factors, (room.groups[k], k))
        for work in self.works.values():
            work.edges.append(len(work.blocks))
        return tuple(shape)

    def _add_stack(
        self, start: int, count: int, shape: tuple[int, int], factors: list[int], owner: Owner
    ) -> None:
        """Note the work for matrices of one shape that follow each other."""
        rows, columns = shape
        if rows * columns <= _SMALL:
            small = self.works["small"]
            small.blocks += [(len(small.things), b, 0, 0) for b in range(0, count, _GROUP)]
            small.things.append((start, count, rows, columns, *factors, *owner))
            return
        row_at, column_at, mean_at = factors
        for b in range(count):
            places = (row_at + b * rows, column_at + b * columns, mean_at + b)
            self._add_matrix(start + b * rows * columns, shape, places, owner)

    def _add_matrix(
        self, start: int, shape: tuple[int, int], factors: tuple[int, int, int], owner: Owner
    ) -> None:
        rows, columns = shape
        row_at, column_at, mean_at = factors
        squares = self.works["squares"]
        number = len(squares.things)
        tops, lefts = range(0, rows, _ROWS), range(0, columns, _COLUMNS)
        squares.blocks += [(number, top, left, 0) for top, left in product(tops, lefts)]
        across, sums = self._add_factor(row_at, rows, len(lefts), columns, owner)
        down, _ = self._add_factor(column_at, columns, len(tops), rows, owner)
        squares.things.append((start, rows, columns, across, down))
        self.works["means"].blocks.append((sums.start, len(sums), rows, mean_at))

    def _add_factor(
        self, at: int, length: int, count: int, over: int, owner: Owner
    ) -> tuple[int, range]:
        """Note how ``count`` partial sums of each element become a factor.

        Returns:
            The place of the partial sums, and the places of what the blocks of the factor add up
            to.
        """
        join = self.works["join"]
        first = self._reserve(count * length)
        threads = min(_MOST_THREADS, 1 << max(count // _SUMS_A_THREAD, 1).bit_length() - 1)
        width = _GROUP // threads
        starts = range(0, length, width)
        total = self._reserve(len(starts))
        number = len(join.things)
        join.blocks += [(number, i, width, total + j) for j, i in enumerate(starts)]
        join.things.append((at, length, first, count, over, *owner))
        return first, range(total, total + len(starts))

    def _reserve(self, count: int) -> int:
        """The place of that many partial sums."""
        first = self._reserved
        self._reserved += count
        return first


def move(given: GpuStep) -> None:
    """Update every parameter of a room."""
    step = cast(ArenaStep, given)
    layout = step.room.layout(Layout)
    factors, partials = step.room.states["means"], layout.partials
    moving = [step.table, *step.controls()]
    for run in step.runs:
        _dispatch(step, layout, "small", run, [*moving, run.grads, factors])
        _dispatch(step, layout, "squares", run, [*step.controls(), run.grads, partials])
        _dispatch(step, layout, "join", run, [*moving, partials, factors])
        _dispatch(step, layout, "means", run, [partials, factors])
    extras = [layout.shapes, factors]
    combined = step.combine(step.measure(extras), extras)
    step.update(combined, extras=extras, stored=False)


def _dispatch(step: ArenaStep, layout: Layout, name: str, run: Run, arrays: list[GpuArray]) -> None:
    edges = layout.works[name].edges
    first, last = edges[run.first], edges[run.last]
    if first < last:
        groups = min(last - first, MOST_GROUPS)
        words = step.words(first, last, run.shift)
        _pass(name, step.formula).dispatch([*layout.tables[name], *arrays], words, groups)


@cache
def _pass(name: str, formula: shaders.Formula) -> Pipeline:
    """One of the passes that are not a frame around the formula."""
    moving = [shaders.TABLE, *shaders.control(formula)]
    grads, partials, factors = ("grads", "Word"), ("partials", "f32"), ("factors", "f32")
    read, written = {
        "small": ([*moving, grads], [factors]),
        "squares": ([*moving[1:], grads], [partials]),
        "join": (moving, [partials, factors]),
        "means": ([partials], [factors]),
    }[name]
    if name == "means":
        formula = replace(formula, control=False, skip=False)
    things = [_THINGS[name]] if name in _THINGS else []
    words, word = shaders.words(formula.half)
    lines = [
        *shaders.header(formula),
        *(shaders.rows(formula) if moving[0] in read else []),
        *shaders.bindings([("blocks", "vec4<u32>"), *things, *read], written),
        words,
        shaders.text("sum_workgroup.wgsl"),
    ]
    kernel = shaders.kernel(f"adafactor_{name}.wgsl")
    return kernel.variant(prelude="\n".join(lines) + "\n", Word=word)


def _upload(rows: Table, index: int) -> GpuArray:
    return gpu.persist(gpu.from_host(np.array(rows or [(0,) * 8], np.int32), index))
