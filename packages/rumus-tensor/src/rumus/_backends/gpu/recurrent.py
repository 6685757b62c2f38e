"""Recurrent layers: one kernel a step, which multiplies with the weight and opens the gates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import ceil

from rumus._core.dtypes import float32
from rumus.gpu import GpuArray, Kernel, Pipeline, empty, zeros

from .elementwise import elementwise
from .matmul import matmul
from .movement import assign, contiguous, copy
from .unroll import unroll
from .wgsl import math_source, read_shader

GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}
_KEPT = 4
"""Arrays of the hidden state's size that an LSTM or a GRU keeps of a step."""
_BUSY = 64
"""Workgroups from which on tiles are large."""


def recurrent(
    kind: str,
    inputs: GpuArray,
    start: GpuArray,
    weight: GpuArray,
    bias: GpuArray | None,
    lengths: GpuArray | None,
    reverse: bool,
) -> tuple[GpuArray, GpuArray]:
    """See ``Backend.recurrent``."""
    inputs, weight = contiguous(inputs), contiguous(weight)
    bias, lengths = bias and contiguous(bias), lengths and contiguous(lengths)
    steps, batch, width = inputs.shape
    hidden, device = weight.shape[1], inputs.device_index
    states = empty((start.shape[0], steps + 1, batch, hidden), float32, device)
    assign(_states_at(states, steps if reverse else 0), start)
    keeps = kind in ("lstm", "gru")
    kept = empty((steps, batch, _KEPT * hidden) if keeps else (1,), float32, device)
    if not states.size:
        return states, kept
    tile, groups = _tiles(batch, hidden, 4 if keeps else 1)
    vectors = hidden % 4 == 0 and weight.offset % 4 == 0
    run = forward_pipeline(kind, tile, vectors, bias is not None, lengths is not None)
    given = [inputs, states, kept]
    given = [weight, *given, *(extra for extra in (bias, lengths) if extra is not None)]
    size = batch * hidden
    fixed = weight.offset, bias.offset if bias else 0, lengths.offset if lengths else 0
    for t, old, new in _steps(steps, reverse):
        words = (batch, hidden, t, (steps + 1) * size, old * size, new * size)
        places = (inputs.offset + t * batch * width, t * size * _KEPT)
        run.dispatch(given, (*words, *places, *fixed), groups)
    return states, kept


def recurrent_backward(
    kind: str,
    states: GpuArray,
    kept: GpuArray,
    weight: GpuArray,
    grad: GpuArray,
    lengths: GpuArray | None,
    reverse: bool,
) -> tuple[GpuArray, GpuArray, GpuArray]:
    """See ``Backend.recurrent_backward``."""
    grad, lengths = contiguous(grad), lengths and contiguous(lengths)
    count, places, batch, hidden = states.shape
    steps, size, device = places - 1, batch * hidden, states.device_index
    width = GATES[kind] * hidden
    sent = empty((steps, batch, width), float32, device)
    into = empty(sent.shape if kind == "gru" else (1,), float32, device)
    carry = zeros((2, batch, hidden), float32, device)
    if not size:
        return into if kind == "gru" else sent, sent, carry_at(carry, count)
    turned = copy(
        GpuArray(weight.storage, (hidden, width), weight.strides[::-1], weight.offset, float32)
    )
    tile, groups = _tiles(batch, hidden, 1)
    run = backward_pipeline(kind, tile, hidden % 4 == 0, lengths is not None)
    given = [turned, sent, grad, kept, states, carry, into]
    given += [] if lengths is None else [lengths]
    behind, vectors = 0, 0
    for t, old, new in reversed(_steps(steps, reverse)):
        words = (batch, hidden, t, places * size, old * size, new * size, places * size)
        at = t * batch * width
        more = (grad.offset + new * size, at, behind, vectors, t * size * _KEPT)
        run.dispatch(given, (*words, *more, lengths.offset if lengths else 0), groups)
        behind, vectors = at, ceil(width / 4)
    last = GpuArray(sent.storage, (batch, width), (width, 1), behind, float32)
    begun = _states_at(grad, steps if reverse else 0)
    into_start = elementwise("add", [begun, carry_at(carry, count)])
    through = GpuArray(into_start.storage, (batch, hidden), (hidden, 1), 0, float32)
    assign(through, elementwise("add", [through, matmul(last, weight)]))
    return into if kind == "gru" else sent, sent, into_start


def carry_at(carry: GpuArray, count: int) -> GpuArray:
    """The part of ``carry`` that a layer with so many states has."""
    return GpuArray(carry.storage, (count, *carry.shape[1:]), carry.strides, 0, float32)


def _steps(steps: int, reverse: bool) -> Sequence[tuple[int, int, int]]:
    """Each step in time: its number, the place of the state before it and of that after it."""
    if reverse:
        return [(t, t + 1, t) for t in reversed(range(steps))]
    return [(t, t, t + 1) for t in range(steps)]


def _states_at(states: GpuArray, place: int) -> GpuArray:
    """All states of one time, ``(S, batch, hidden)``."""
    count, _, batch, hidden = states.shape
    step = states.strides
    offset = states.offset + place * step[1]
    return GpuArray(states.storage, (count, batch, hidden), (step[0], *step[2:]), offset, float32)


def _tiles(batch: int, hidden: int, gates: int) -> tuple[int, tuple[int, int]]:
    """The side of a tile, and the workgroups: tiles of gates of units by rows of the batch."""
    for tile in (32, 16):
        groups = ceil(hidden * gates / tile), ceil(batch / tile)
        if groups[0] * groups[1] >= _BUSY:
            break
    return tile, groups


@cache
def forward_pipeline(kind: str, tile: int, vectors: bool, bias: bool, ends: bool) -> Pipeline:
    """A variant of ``recurrent.wgsl``."""
    prelude = _walked(0, "weight", vectors, "params.hidden")
    prelude += _walked(2, "state", vectors, "params.hidden", written=True)
    added = "return 0.0;"
    if bias:
        prelude += "@group(0) @binding(4) var<storage, read> bias: array<f32>;\n"
        added = "return bias[params.bias_offset + column];"
    prelude += f"fn bias_of(column: u32) -> f32 {{ {added} }}\n"
    return _variant("recurrent", kind, tile, prelude, 4 + bias, ends)


@cache
def backward_pipeline(kind: str, tile: int, vectors: bool, ends: bool) -> Pipeline:
    """A variant of ``recurrent_backward.wgsl``."""
    width = f"{GATES[kind]}u * params.hidden"
    prelude = _walked(0, "weight", vectors, width)
    prelude += _walked(1, "sent", vectors, width, written=True)
    return _variant("recurrent_backward", kind, tile, prelude, 7, ends)


def _variant(name: str, kind: str, tile: int, prelude: str, first: int, ends: bool) -> Pipeline:
    idle = "return false;"
    if ends:
        prelude += f"@group(0) @binding({first}) var<storage, read> lengths: array<i32>;\n"
        idle = "return lengths[params.lengths_offset + row] <= i32(params.time);"
    prelude += f"@group(0) @binding({first + ends}) var<uniform> params: Params;\n"
    prelude += f"fn idle(row: u32) -> bool {{ {idle} }}\n"
    kinds = {"LSTM": kind == "lstm", "GRU": kind == "gru", "RELU": kind == "relu"}
    prelude = math_source("math", "exponential") + prelude
    return step_kernel(name, tile).variant(prelude=prelude, TILE=tile, **kinds)


@cache
def step_kernel(name: str, tile: int) -> Kernel:
    """The kernel of ``shaders/NAME.wgsl`` behind its product, whose loops are written out."""
    text = read_shader("recurrent_product.wgsl") + read_shader(f"{name}.wgsl")
    return Kernel(unroll(text, {"SLICE": tile // 8}), name=name, trusted=True)


def _walked(binding: int, name: str, vectors: bool, length: str, written: bool = False) -> str:
    """``NAME_vector(base, k)``, 0 beyond the line's length; elements too of what is written."""
    words, access = f"{name}_words", "read_write" if written else "read"
    if vectors:
        kind, vector, element = "vec4<f32>", f"{words}[base / 4u + k]", f"{words}[e / 4u][e % 4u]"
    else:
        kind, element = "f32", f"{words}[e]"
        each = (
            f"select(0.0, {words}[base + min(4u * k + {j}u, {length} - 1u)], "
            f"4u * k + {j}u < {length})"
            for j in range(4)
        )
        vector = f"vec4<f32>({', '.join(each)})"
    text = (
        f"@group(0) @binding({binding}) var<storage, {access}> {words}: array<{kind}>;\n"
        f"fn {name}_vector(base: u32, k: u32) -> vec4<f32> {{ return {vector}; }}\n"
    )
    if written:
        text += f"fn {name}(e: u32) -> f32 {{ return {element}; }}\n"
        text += f"fn set_{name}(e: u32, value: f32) {{ {element} = value; }}\n"
    return text


class Recurrent:
    """The family's part of the backend."""

    recurrent = staticmethod(recurrent)
    recurrent_backward = staticmethod(recurrent_backward)
