"""Adafactor's passes on the GPU: the same six dispatches for any number of matrices."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np

from rumus import gpu
from rumus.gpu import GpuArray, Pipeline
from rumus.optim import _shaders
from rumus.optim._gpu_step import MOST_GROUPS, GpuStep, Run
from rumus.optim._rooms import Room

_ROWS = 64
_COLUMNS = 256
"""A block of a matrix, as adafactor_squares.wgsl takes it."""
_GROUP = 256
"""Threads of a workgroup."""
_MOST_THREADS = 32
_SUMS_A_THREAD = 8
"""Partial sums of an element are added up by one thread, by more of them from twice as many on."""

Table = list[tuple[int, ...]]


class Blocks:
    """Work of a pass, a workgroup a row, in the order of the slots.

    Attributes:
        rows: of one slot after the other.
        edges: the first row of each slot, and the number of rows.
        array: the rows on the device, once they are complete.
    """

    def __init__(self) -> None:
        self.rows: Table = []
        self.edges = [0]
        self.array: GpuArray


class Layout:
    """How Adafactor cuts a room's parameters into work.

    Attributes:
        squares: blocks of matrices to be read.
        joins: parts of rows and columns whose partial sums are complete then.
        means: matrices.
        matrices: where each matrix and its partial sums lie.
        joined: where each row and column factor and its partial sums lie.
        shapes: where each parameter's factors lie.
        partials: room for the partial sums.
    """

    def __init__(self, room: Room) -> None:
        self.squares, self.joins, self.means = Blocks(), Blocks(), Blocks()
        self._matrices: Table = []
        self._factors: Table = []
        self._reserved = 0
        shapes = [self._add(room, k) for k in range(len(room.params))]
        index = room.tiles.device_index
        for blocks in (self.squares, self.joins, self.means):
            blocks.array = _upload(blocks.rows, index)
        self.matrices = _upload(self._matrices, index)
        self.joined = _upload(self._factors, index)
        self.shapes = _upload(shapes, index)
        self.partials = gpu.persist(gpu.empty((max(self._reserved, 4),), np.float32, index))

    def _add(self, room: Room, k: int) -> tuple[int, ...]:
        """Note the work for a parameter's matrices; its row of `shapes`."""
        start, parameter = room.arena.slots[k].offset, room.params[k]
        if parameter.ndim < 2:
            shape = (start, 1, max(parameter.size, 1), 0, room.place("v", k), 0, 0)
        else:
            rows, columns = parameter.shape[-2:]
            row_at, column_at = room.place("row", k), room.place("column", k)
            mean_at = room.states["means"].offset + len(self._matrices)
            shape = (start, rows, columns, row_at, column_at, mean_at, 1)
            for b in range(parameter.size // max(rows * columns, 1)):
                factors = (row_at + b * rows, column_at + b * columns, mean_at + b)
                self._add_matrix(start + b * rows * columns, rows, columns, factors, room.groups[k])
        for blocks in (self.squares, self.joins, self.means):
            blocks.edges.append(len(blocks.rows))
        return shape

    def _add_matrix(
        self, start: int, rows: int, columns: int, factors: tuple[int, int, int], group: int
    ) -> None:
        row_at, column_at, mean_at = factors
        number = len(self._matrices)
        tops, lefts = range(0, rows, _ROWS), range(0, columns, _COLUMNS)
        self.squares.rows += [(number, top, left, 0) for top, left in product(tops, lefts)]
        across, sums = self._add_factor(row_at, rows, len(lefts), columns, group)
        down, _ = self._add_factor(column_at, columns, len(tops), rows, group)
        self.means.rows.append((sums.start, len(sums), rows, mean_at))
        self._matrices.append((start, rows, columns, across // 4, down // 4))

    def _add_factor(
        self, at: int, length: int, count: int, over: int, group: int
    ) -> tuple[int, range]:
        """Note how ``count`` partial sums become a factor.

        Returns:
            The place of the partial sums, and the places of what the blocks of the factor add up
            to.
        """
        stride = -(-length // 4) * 4
        first = self._reserve(count * stride)
        threads = min(_MOST_THREADS, 1 << max(count // _SUMS_A_THREAD, 1).bit_length() - 1)
        width = _GROUP // threads
        starts = range(0, length, width)
        total = self._reserve(len(starts))
        number = len(self._factors)
        self._factors.append((at, length, first, count, stride, over, group))
        self.joins.rows += [(number, i, width, total + j) for j, i in enumerate(starts)]
        return first, range(total, total + len(starts))

    def _reserve(self, count: int) -> int:
        """The place of that many partial sums, at a whole vector."""
        first = self._reserved
        self._reserved += -(-count // 4) * 4
        return first


def move(step: GpuStep) -> None:
    """Update every parameter of a room."""
    room = step.room
    layout = room.layout(Layout)
    factors, partials, control = room.states["means"], layout.partials, step.controls()
    for run in step.runs:
        _dispatch(step, "squares", layout.squares, run, [layout.matrices, run.grads, partials])
        join = [layout.joined, step.table, *control, partials, factors]
        _dispatch(step, "join", layout.joins, run, join)
        _dispatch(step, "means", layout.means, run, [partials, factors])
    extras = [layout.shapes, factors]
    combined = step.combine(step.measure(extras), extras)
    step.update(combined, extras=extras, stored=False)


def _dispatch(step: GpuStep, name: str, blocks: Blocks, run: Run, arrays: list[GpuArray]) -> None:
    first, last = blocks.edges[run.first_slot], blocks.edges[run.last_slot]
    groups = min(last - first, MOST_GROUPS)
    pipeline = _pass(name, step.formula)
    pipeline.dispatch([blocks.array, *arrays], (first, last, run.shift, 0.0), groups)


@cache
def _pass(name: str, formula: _shaders.Formula) -> Pipeline:
    """One of the passes that are not a frame around the formula."""
    matrices, joined, table = ("matrices", "Matrix"), ("joined", "Factor"), ("table", "Row")
    partials, factors = ("partials", "f32"), ("factors", "f32")
    read, written = {
        "squares": ([matrices, ("grads", "Word")], [("partials", "vec4<f32>")]),
        "join": ([joined, table, *_shaders.control(formula)], [partials, factors]),
        "means": ([partials], [factors]),
    }[name]
    if name != "join":
        formula = replace(formula, control=False, skip=False)
    words, word = _shaders.words(formula.half)
    lines = [
        *_shaders.header(formula),
        *_shaders.bindings([("blocks", "vec4<u32>"), *read], written),
        words,
        _shaders.text("sum_workgroup.wgsl"),
    ]
    kernel = _shaders.kernel(f"adafactor_{name}.wgsl")
    return kernel.variant(prelude="\n".join(lines) + "\n", Word=word)


def _upload(rows: Table, index: int) -> GpuArray:
    return gpu.persist(gpu.from_host(np.array(rows or [(0,) * 8], np.int32), index))
