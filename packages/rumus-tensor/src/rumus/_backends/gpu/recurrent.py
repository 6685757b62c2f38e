"""Recurrent layers: each step is a product with the weight and one kernel over the batch."""

from __future__ import annotations

from functools import cache
from math import ceil

from rumus._core.dtypes import float32
from rumus.gpu import GpuArray, Pipeline, empty, zeros
from rumus.gpu._array import contiguous_strides

from .elementwise import elementwise
from .kernels import WORKGROUP, kernel, plane
from .matmul import matmul
from .movement import assign, contiguous
from .wgsl import math_source

GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}
_KEPT = 4
"""Arrays of the hidden state's size that an LSTM or a GRU keeps of a step."""


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
    inputs, lengths = contiguous(inputs), lengths and contiguous(lengths)
    steps, batch, width = inputs.shape
    hidden, device = weight.shape[1], inputs.device_index
    states = empty((start.shape[0], steps + 1, batch, hidden), float32, device)
    size = batch * hidden
    assign(_states_at(states, steps if reverse else 0), start)
    keeps = kind in ("lstm", "gru")
    kept = empty((steps, batch, _KEPT * hidden) if keeps else (1,), float32, device)
    if not states.size:
        return states, kept
    turned = GpuArray(
        weight.storage, weight.shape[::-1], weight.strides[::-1], weight.offset, float32
    )
    sums = empty((batch, width), float32, device)
    run = step_pipeline("recurrent", kind, lengths is not None)
    given = [inputs, sums, states, kept, *([] if lengths is None else [lengths])]
    for t in reversed(range(steps)) if reverse else range(steps):
        old, new = (t + 1, t) if reverse else (t, t + 1)
        matmul(_plane(states, old), turned, bias, sums)
        words = [batch, hidden, t, (steps + 1) * size, old * size, new * size]
        words += [inputs.offset + t * batch * width, 0, t * size * _KEPT]
        run.dispatch(given, [*words, lengths.offset if lengths else 0], _groups(size, device))
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
    into = empty((steps, batch, width), float32, device)
    into_sums = empty(into.shape if kind == "gru" else (1,), float32, device)
    sent = into_sums if kind == "gru" else into
    carry = zeros((2, batch, hidden), float32, device)
    product = zeros((batch, hidden), float32, device)
    run = step_pipeline("recurrent_backward", kind, lengths is not None)
    given = [grad, product, kept, states, carry, into, into_sums]
    given += [] if lengths is None else [lengths]
    for t in range(steps) if reverse else reversed(range(steps)):
        if not size:
            break
        old, new = (t + 1, t) if reverse else (t, t + 1)
        words = [batch, hidden, t, places * size, old * size, new * size, places * size]
        words += [grad.offset + new * size, t * batch * width, t * size * _KEPT]
        run.dispatch(given, [*words, lengths.offset if lengths else 0], _groups(size, device))
        step = GpuArray(sent.storage, (batch, width), (width, 1), t * batch * width, float32)
        matmul(step, weight, out=product)
    begun = _states_at(grad, steps if reverse else 0)
    past = GpuArray(carry.storage, (count, batch, hidden), carry.strides, 0, float32)
    into_start = elementwise("add", [begun, past])
    through = GpuArray(into_start.storage, (batch, hidden), (hidden, 1), 0, float32)
    assign(through, elementwise("add", [through, product]))
    return into, sent, into_start


def _states_at(states: GpuArray, place: int) -> GpuArray:
    """All states of one time, ``(S, batch, hidden)``."""
    count, _, batch, hidden = states.shape
    step = states.strides
    offset = states.offset + place * step[1]
    return GpuArray(states.storage, (count, batch, hidden), (step[0], *step[2:]), offset, float32)


def _plane(states: GpuArray, place: int) -> GpuArray:
    """The hidden state of one time, ``(batch, hidden)``."""
    shape = states.shape[2:]
    offset = states.offset + place * shape[0] * shape[1]
    return GpuArray(states.storage, shape, contiguous_strides(shape), offset, float32)


def _groups(size: int, device_index: int) -> tuple[int, int]:
    return plane(ceil(size / WORKGROUP), device_index)


@cache
def step_pipeline(name: str, kind: str, ends: bool) -> Pipeline:
    """A variant of ``recurrent.wgsl`` or its backward, for sequences that end or do not."""
    first = 4 if name == "recurrent" else 7
    idle = "return false;"
    bindings = f"@group(0) @binding({first + ends}) var<uniform> params: Params;\n"
    if ends:
        idle = "return lengths[params.lengths_offset + row] <= i32(params.time);"
        bindings += f"@group(0) @binding({first}) var<storage, read> lengths: array<i32>;\n"
    prelude = math_source("math", "exponential") + bindings
    prelude += f"fn idle(row: u32) -> bool {{ {idle} }}\n"
    kinds = {"LSTM": kind == "lstm", "GRU": kind == "gru", "RELU": kind == "relu"}
    return kernel(name).variant(prelude=prelude, **kinds)


class Recurrent:
    """The family's part of the backend."""

    recurrent = staticmethod(recurrent)
    recurrent_backward = staticmethod(recurrent_backward)
