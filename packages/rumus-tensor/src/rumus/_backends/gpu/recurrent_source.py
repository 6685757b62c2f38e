"""The kernels of recurrent layers, and the tiles of their products."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from rumus.gpu import Kernel, Pipeline

from .kernels import kernel
from .unroll import unroll
from .wgsl import math_source, read_shader

GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}
GATED = frozenset({"lstm", "gru"})
"""Kinds whose gates of a unit are 4 neighbours, an absent one among them for a GRU."""
THREADS = 256
"""Invocations of a workgroup."""
_BUSY = 100
"""Workgroups from which on a GPU has something to do everywhere."""


class Tile(NamedTuple):
    """The part of a step's product that a workgroup makes, and that of an invocation."""

    tm: int
    tn: int
    rm: int
    rn: int

    @property
    def rounds(self) -> int:
        """In which sums are added up."""
        return self.rm * self.rn * THREADS // 4096

    def own(self, items: int) -> int:
        """Items of an invocation, where a cell has so many."""
        team = self.tm * self.tn // (self.rm * self.rn)
        return -(-self.rounds * items * 1024 * team // THREADS**2)


TILES = Tile(32, 32, 8, 8), Tile(16, 16, 4, 8)


def choose(rows: int, columns: int) -> Tile:
    """The first tile that gives enough workgroups, or the last."""
    for tile in TILES:
        if -(-rows // tile.tm) * -(-columns // tile.tn) >= _BUSY:
            break
    return tile


@cache
def forward_pipeline(kind: str, tile: Tile, bias: bool, ends: bool) -> Pipeline:
    """A variant of ``recurrent.wgsl``."""
    prelude, added = "", "return 0.0;"
    if bias:
        prelude = "@group(0) @binding(6) var<storage, read> bias: array<f32>;\n"
        added = "return bias[params.bias_offset + column];"
    prelude += f"fn bias_of(column: u32) -> f32 {{ {added} }}\n"
    return _variant("recurrent", kind, tile, prelude, 6 + bias, ends, 1 if kind in GATED else 4)


@cache
def backward_pipeline(kind: str, tile: Tile, ends: bool) -> Pipeline:
    """A variant of ``recurrent_backward.wgsl``."""
    line, store = "f32", "next_lines[packed_place(row, unit)] = inner.x;"
    if kind in GATED:
        line, store = "vec4<f32>", "next_lines[unit * params.line_rows + row] = inner;"
    prelude = f"@group(0) @binding(6) var<storage, read_write> next_lines: array<{line}>;\n"
    prelude += f"fn pack(row: u32, unit: u32, inner: vec4<f32>) {{ {store} }}\n"
    return _variant("recurrent_backward", kind, tile, prelude, 7, ends, 4)


@cache
def pack_pipeline(kind: str, tile: Tile, gated_lines: bool, gated_k: bool) -> Pipeline:
    """A variant of ``recurrent_pack.wgsl``, of a weight for tiles."""
    return kernel("recurrent_pack").variant(
        GATED_LINES=gated_lines, GATED_K=gated_k, GATES=GATES[kind], TX=tile.tn // tile.rn
    )


def _variant(
    name: str, kind: str, tile: Tile, prelude: str, first: int, ends: bool, scalars: int
) -> Pipeline:
    idle = "return false;"
    if ends:
        prelude += f"@group(0) @binding({first}) var<storage, read> lengths: array<i32>;\n"
        idle = "return lengths[params.lengths_offset + row] <= i32(params.time);"
    prelude += f"@group(0) @binding({first + ends}) var<uniform> params: Params;\n"
    prelude += f"fn idle(row: u32) -> bool {{ {idle} }}\n"
    value = "tile[at]" if scalars == 1 else "tile[at / 4u][at % 4u]"
    prelude += f"fn summand(at: u32) -> Sum {{ return {value}; }}\n"
    kinds = {"LSTM": kind == "lstm", "GRU": kind == "gru", "RELU": kind == "relu"}
    return step_kernel(name, tile, scalars).variant(
        prelude=math_source("math", "exponential") + prelude,
        Sum="vec4<f32>" if scalars == 1 else "f32",
        TM=tile.tm,
        TN=tile.tn,
        RM=tile.rm,
        RN=tile.rn,
        THREADS=THREADS,
        SCALARS=scalars,
        **kinds,
    )


@cache
def step_kernel(name: str, tile: Tile, items: int) -> Kernel:
    """The kernel of ``shaders/NAME.wgsl`` behind its product, whose loops are written out."""
    text = read_shader("recurrent_product.wgsl") + read_shader(f"{name}.wgsl")
    counts = {
        "RM": tile.rm,
        "RN": tile.rn,
        "ROUNDS": tile.rounds,
        "PART": tile.rm // tile.rounds,
        "CELLS_OF_ROW": tile.rn // 4,
        "OWN": tile.own(items),
    }
    text = f"const SUMS = {tile.rm * tile.rn}u;\n" + text
    return Kernel(unroll(text, counts), name=name, trusted=True)
