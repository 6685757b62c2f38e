"""Recurrent layers: one kernel a step, which multiplies with the weight and opens the gates."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from rumus._core.dtypes import float32
from rumus.gpu import GpuArray, Pipeline, empty, zeros

from .elementwise import elementwise
from .kernels import WORKGROUP, grid
from .matmul import matmul
from .movement import assign, contiguous
from .recurrent_source import (
    GATED,
    GATES,
    Tile,
    backward_pipeline,
    choose,
    forward_pipeline,
    pack_pipeline,
)

_KEPT = 4
"""Arrays of the hidden state's size that an LSTM or a GRU keeps of a step."""
_LINES = Tile(1, 1, 1, 1)
"""Packs lines in their order."""


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
    begun = _states_at(states, steps if reverse else 0)
    assign(begun, start)
    keeps = kind in GATED
    kept = empty((steps, batch, hidden, _KEPT) if keeps else (_KEPT,), float32, device)
    if not states.size:
        return states, kept
    columns = hidden * (4 if keeps else 1)
    tile = choose(batch, columns)
    groups = ceil(columns / tile.tn), ceil(batch / tile.tm)
    rows, vectors = groups[1] * tile.tm, ceil(hidden / 4)
    packed = empty((groups[0], vectors, tile.tn, 4), float32, device)
    pack = pack_pipeline(kind, tile, keeps, False)
    _pack(pack, weight, packed, hidden, hidden, hidden, (hidden, 1))
    lines = [zeros((vectors, rows, 4), float32, device) for _ in range(2)]
    pack = pack_pipeline("tanh", _LINES, False, False)
    _pack(pack, begun, lines[0], batch, hidden, hidden, (hidden, 1))
    run = forward_pipeline(kind, tile, bias is not None, lengths is not None)
    extras = [extra for extra in (bias, lengths) if extra is not None]
    size = batch * hidden
    fixed = rows, vectors, vectors, bias.offset if bias else 0, lengths.offset if lengths else 0
    for t, old, new in _steps(steps, reverse):
        words = (batch, hidden, t, (steps + 1) * size, old * size, new * size)
        places = (inputs.offset + t * batch * width, t * size)
        given = [packed, lines[0], inputs, states, kept, lines[1], *extras]
        run.dispatch(given, (*words, *places, *fixed), groups)
        lines.reverse()
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
    grad, weight = contiguous(grad), contiguous(weight)
    lengths = lengths and contiguous(lengths)
    count, places, batch, hidden = states.shape
    steps, size, device = places - 1, batch * hidden, states.device_index
    width = GATES[kind] * hidden
    number = steps * batch * width
    inputs_at = number if kind == "gru" else 0
    carry_at = inputs_at + number
    sent = empty((carry_at + 2 * size,), float32, device)
    into_sums = _part(sent, (steps, batch, width), 0)
    into = _part(sent, (steps, batch, width), inputs_at)
    carry = _part(sent, (count, batch, hidden), carry_at)
    if not size:
        return into, into_sums, carry
    tile = choose(batch, hidden)
    groups = ceil(hidden / tile.tn), ceil(batch / tile.tm)
    keeps = kind in GATED
    rows, all_vectors = groups[1] * tile.tm, hidden if keeps else ceil(hidden / 4)
    packed = empty((groups[0], all_vectors, tile.tn, 4), float32, device)
    pack = pack_pipeline(kind, tile, False, keeps)
    _pack(pack, weight, packed, hidden, hidden, hidden, (1, hidden))
    lines = [zeros((all_vectors, rows, 4), float32, device) for _ in range(2)]
    run = backward_pipeline(kind, tile, lengths is not None)
    extras = [] if lengths is None else [lengths]
    vectors = 0
    for t, old, new in reversed(_steps(steps, reverse)):
        words = (batch, hidden, t, places * size, old * size, new * size, places * size)
        at = t * batch * width
        more = (grad.offset + new * size, at, inputs_at, t * size, carry_at, rows)
        fixed = (vectors, all_vectors, lengths.offset if lengths else 0)
        given = [packed, lines[0], grad, kept, states, sent, lines[1], *extras]
        run.dispatch(given, (*words, *more, *fixed), groups)
        lines.reverse()
        vectors, last = all_vectors, at
    into_start = elementwise("add", [_states_at(grad, steps if reverse else 0), carry])
    through = _part(into_start, (batch, hidden), 0)
    sent_last = _part(sent, (batch, width), last)
    assign(through, elementwise("add", [through, matmul(sent_last, weight)]))
    return into, into_sums, into_start


def _pack(
    pack: Pipeline,
    source: GpuArray,
    packed: GpuArray,
    count: int,
    length: int,
    hidden: int,
    steps: tuple[int, int],
) -> None:
    """Pack ``count`` lines of some length, or so many for each gate, that lie some steps apart."""
    vectors, lines, _ = packed.shape[-3:]
    words = (packed.size // 4, lines, vectors, count, length, hidden, source.offset, *steps)
    groups = grid(packed.size // 4, WORKGROUP, source.device_index)
    pack.dispatch([source, packed], words, groups)


def _part(array: GpuArray, shape: tuple[int, ...], offset: int) -> GpuArray:
    """A contiguous part of an array, from an offset on."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return GpuArray(array.storage, shape, tuple(reversed(strides)), offset, float32)


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


class Recurrent:
    """The family's part of the backend."""

    recurrent = staticmethod(recurrent)
    recurrent_backward = staticmethod(recurrent_backward)
