"""Adafactor's passes on the GPU: the same seven dispatches for any number of matrices."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import numpy.typing as npt

from rumus import gpu
from rumus.gpu import GpuArray, Pipeline
from rumus.optim import _shaders
from rumus.optim._gpu_step import MOST_GROUPS, GpuStep, Run
from rumus.optim._rooms import TILE, Room

_ROWS_A_GROUP = 8
_ROWS_A_BLOCK = 128
_COLUMNS = 256

Table = list[tuple[int, ...]]


class Blocks:
    """Pieces of work in the order of the slots, with the first one of each slot."""

    def __init__(self, per_slot: Iterable[Table], index: int) -> None:
        rows: Table = []
        self.edges = [0]
        for table in per_slot:
            rows += table
            self.edges.append(len(rows))
        self.array = _upload(rows, index)


class Layout:
    """How Adafactor cuts a room's parameters into work."""

    def __init__(self, room: Room) -> None:
        index = room.tiles.device_index
        self.means_at = room.states["means"].offset
        self._matrices: Table = []
        self._shapes: Table = []
        self._places = 0
        slots = range(len(room.params))
        firsts = [self._add(room, k) for k in slots]
        per_slot = [self._matrices[a:b] for a, b in zip(firsts, [*firsts[1:], None], strict=True)]
        numbered = [list(enumerate(m, a)) for a, m in zip(firsts, per_slot, strict=True)]
        self.rows = Blocks(([b for m in ms for b in _row_blocks(*m)] for ms in numbered), index)
        self._strips: list[Table] = []
        self.columns = Blocks([self._column_blocks(ms) for ms in numbered], index)
        self.strips = Blocks(self._strips, index)
        self.vectors = Blocks((_vector_blocks(room, k) for k in slots), index)
        self.matrices = _upload(self._matrices, index)
        self.shapes = _upload(self._shapes, index)
        partials = gpu.empty((max(self._places, 1) * _COLUMNS,), np.float32, index)
        self.partials = gpu.persist(partials)

    def _add(self, room: Room, k: int) -> int:
        """Note a parameter and its matrices; the number of the first of them."""
        first, shape, slot = len(self._matrices), room.params[k].shape, room.arena.slots[k]
        if len(shape) < 2 or not room.params[k].size:
            v_at = room.place("v", k) if len(shape) < 2 else 0
            self._shapes.append((slot.offset, 1, 1, 0, 0, 0, v_at, 0))
            return first
        rows, columns = shape[-2:]
        row_at, column_at = room.place("row", k), room.place("column", k)
        mean_at = self.means_at + first
        self._shapes.append((slot.offset, rows, columns, row_at, column_at, mean_at, 0, 1))
        for b in range(room.params[k].size // (rows * columns)):
            start = slot.offset + b * rows * columns
            at = (row_at + b * rows, column_at + b * columns, mean_at + b)
            self._matrices.append((start, rows, columns, *at, room.groups[k], 0))
        return first

    def _column_blocks(self, matrices: list[tuple[int, tuple[int, ...]]]) -> Table:
        blocks: Table = []
        strips: Table = []
        for number, (_, rows, columns, *_) in matrices:
            tops = range(0, rows, _ROWS_A_BLOCK)
            for left in range(0, columns, _COLUMNS):
                strips.append((number, left, self._places, len(tops)))
                blocks += [(number, top, left, self._places + j) for j, top in enumerate(tops)]
                self._places += len(tops)
        self._strips.append(strips)
        return blocks


def move(step: GpuStep) -> None:
    """Update every parameter of a room."""
    room = step.room
    layout = room.layout(Layout)
    factors = room.states["row"]
    for run in step.runs:
        grads = [step.table, run.grads, *step.controls()]
        matrices = layout.matrices
        _dispatch(step, "vectors", layout.vectors, run, [*grads, factors])
        _dispatch(step, "rows", layout.rows, run, [matrices, *grads, factors])
        _dispatch(step, "columns", layout.columns, run, [matrices, run.grads, layout.partials])
        join = [matrices, step.table, *step.controls(), layout.partials, factors]
        _dispatch(step, "join", layout.strips, run, join)
    extras = [layout.shapes, factors]
    combined = step.combine(step.measure(extras), extras)
    step.update(combined, extras=extras, stored=False)


def _dispatch(step: GpuStep, name: str, blocks: Blocks, run: Run, arrays: list[GpuArray]) -> None:
    first, last = blocks.edges[run.first_slot], blocks.edges[run.last_slot]
    pipeline = _pass(name, step.formula)
    groups = min(last - first, MOST_GROUPS)
    pipeline.dispatch([blocks.array, *arrays], (first, last, 4 * run.shift, 0.0), groups)


@cache
def _pass(name: str, formula: _shaders.Formula) -> Pipeline:
    """One of the passes that are not a frame around the formula."""
    file = f"adafactor_{name}.wgsl"
    word = "u32" if formula.half else "f32"
    control = [("control", "f32")] if formula.control else []
    table, grads, matrices = ("table", "Row"), ("grads", word), ("matrices", "Matrix")
    partials, factors = ("partials", "f32"), ("factors", "f32")
    width = "vec2<u32>" if name == "rows" else "vec4<u32>"
    read = {
        "vectors": [table, grads, *control],
        "rows": [matrices, table, grads, *control],
        "columns": [matrices, grads],
        "join": [matrices, table, *control, partials],
    }[name]
    written = [partials if name == "columns" else factors]
    lines = [
        *_shaders.structs(formula),
        *_shaders.bindings([("blocks", width), *read], written),
        _shaders.text("adafactor_common.wgsl"),
        *(_element(formula.half) if name != "join" else []),
        *(_controls(formula) if name != "columns" else []),
        _shaders.text("sum_workgroup.wgsl"),
    ]
    constants = {"ROWS": _ROWS_A_BLOCK} if name == "columns" else {}
    return _shaders.kernel(file).variant(prelude="\n".join(lines) + "\n", **constants)


def _element(half: bool) -> list[str]:
    value = "unpack2x16float(grads[i / 2u])[i % 2u]" if half else "grads[i]"
    return [f"fn element(i: u32) -> f32 {{ return {value}; }}"]


def _controls(formula: _shaders.Formula) -> list[str]:
    scale = "control[0]" if formula.control else "1.0"
    skipped = "control[1] == 0.0" if formula.skip else "false"
    step = "h.step - control[2]" if formula.skip else "h.step"
    return [
        f"fn scale() -> f32 {{ return {scale}; }}",
        f"fn skipped() -> bool {{ return {skipped}; }}",
        f"fn step_of(h: Row) -> f32 {{ return {step}; }}",
    ]


def _row_blocks(number: int, matrix: tuple[int, ...]) -> Table:
    return [(number, row) for row in range(0, matrix[1], _ROWS_A_GROUP)]


def _vector_blocks(room: Room, k: int) -> Table:
    if room.params[k].ndim > 1:
        return []
    start, size = room.arena.slots[k].offset, room.params[k].size
    v_at = room.place("v", k)
    return [
        (start + at, min(TILE, size - at), v_at + at, room.groups[k]) for at in range(0, size, TILE)
    ]


def _upload(rows: Table, index: int) -> GpuArray:
    table: npt.NDArray[np.int32] = np.array(rows or [(0,) * 8], np.int32)
    return gpu.persist(gpu.from_host(table, index))
