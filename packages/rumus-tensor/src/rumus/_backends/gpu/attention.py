"""Attention: how its arrays lie, and the kernels that read them as they do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod

import numpy as np
import numpy.typing as npt

from rumus._backends.contract.attention import AttentionRule
from rumus._backends.generator import Generator
from rumus._core.dtypes import float16, float32
from rumus.gpu import GpuArray, empty, from_host, full, host_value, limits, outside_capture, persist

from .attention_blocks import backward_by_blocks, forward_by_blocks, mask_gradient
from .attention_layout import Params, given, operand, readable, scored_by, target, vectors_fail
from .attention_source import Variant, attention_pipeline, delta_pipeline
from .attention_tiles import Tile, by_blocks, choose, padded
from .kernels import WORKGROUP, grid, plane
from .layout import Shape
from .movement import assign
from .random import dropout_again
from .row_source import as_dtype

Into = tuple[GpuArray, GpuArray, GpuArray]


def attention(
    q: GpuArray,
    k: GpuArray,
    v: GpuArray,
    mask: GpuArray | None,
    state: GpuArray | None,
    rule: AttentionRule,
) -> tuple[GpuArray, GpuArray]:
    """See ``Backend.attention``."""
    batches, heads, queries, _ = q.shape
    size = v.shape[3]
    result = empty((batches, queries, heads, size), float32, q.device_index)
    output = GpuArray(
        result.storage,
        (batches, heads, queries, size),
        (queries * heads * size, size, heads * size, 1),
        0,
        float32,
    )
    normalisers = empty((batches, heads, queries), float32, q.device_index)
    if not k.shape[2]:
        _clear(result)
    elif result.size:
        queries, keys = q.shape[2], k.shape[2]
        parted = by_blocks(queries, keys, batches * heads, max(q.shape[3], size), rule.causal)
        run = forward_by_blocks if parted else run_forward
        run([q, k, v], mask, state, rule, normalisers, output)
    return output if q.dtype == float32 else _halved(result, output), normalisers


def attention_backward(
    grad: GpuArray,
    q: GpuArray,
    k: GpuArray,
    v: GpuArray,
    mask: GpuArray | None,
    state: GpuArray | None,
    output: GpuArray,
    normalisers: GpuArray,
    rule: AttentionRule,
) -> tuple[GpuArray, GpuArray, GpuArray]:
    """See ``Backend.attention_backward``; the gradients are in one storage."""
    into = gradients_in_one((q.shape, k.shape, v.shape), q.device_index)
    _backward(grad, (q, k, v), mask, state, output, normalisers, rule, into)
    return into


def attention_mask_gradient(
    grad: GpuArray,
    q: GpuArray,
    k: GpuArray,
    v: GpuArray,
    mask: GpuArray,
    state: GpuArray | None,
    output: GpuArray,
    normalisers: GpuArray,
    rule: AttentionRule,
) -> GpuArray:
    """See ``Backend.attention_mask_gradient``."""
    if not (grad.size and k.size and mask.size):
        return full(mask.shape, 0.0, float32, q.device_index)
    reads = [readable(array) for array in (q, k, v, grad)]
    made = statistics(reads[3], readable(output), normalisers)
    return mask_gradient(reads, mask, state, rule, made)


def gradients_in_one(shapes: tuple[Shape, Shape, Shape], device_index: int) -> Into:
    """New arrays for the gradients of queries, keys and values, in one storage."""
    ends = list(accumulate(map(prod, shapes), initial=0))
    whole = empty((ends[-1],), float32, device_index)
    into_q, into_k, into_v = (
        GpuArray(whole.storage, shape, _strides(shape), start, float32)
        for shape, start in zip(shapes, ends, strict=False)
    )
    return into_q, into_k, into_v


def packed_attention_backward(
    grad: GpuArray,
    q: GpuArray,
    k: GpuArray,
    v: GpuArray,
    mask: GpuArray | None,
    state: GpuArray | None,
    output: GpuArray,
    normalisers: GpuArray,
    rule: AttentionRule,
) -> GpuArray:
    """See ``Backend.packed_attention_backward``."""
    batches, heads, length, size = q.shape
    lines = heads + k.shape[1] + v.shape[1]
    packed = empty((batches, length, lines, size), float32, q.device_index)
    strides = length * lines * size, size, lines * size, 1
    starts = 0, heads * size, (heads + k.shape[1]) * size
    into_q, into_k, into_v = (
        GpuArray(packed.storage, part.shape, strides, start, float32)
        for part, start in zip((q, k, v), starts, strict=True)
    )
    into = into_q, into_k, into_v
    _backward(grad, (q, k, v), mask, state, output, normalisers, rule, into)
    return packed


def _backward(
    grad: GpuArray,
    parts: tuple[GpuArray, GpuArray, GpuArray],
    mask: GpuArray | None,
    state: GpuArray | None,
    output: GpuArray,
    normalisers: GpuArray,
    rule: AttentionRule,
    into: Into,
) -> None:
    if not (grad.size and parts[1].size):
        for array in into:
            _clear(array)
        return
    reads = [readable(array) for array in (*parts, grad)]
    made = statistics(reads[3], readable(output), normalisers)
    backward_by_blocks(reads, mask, state, rule, made, into)


def statistics(grad: GpuArray, output: GpuArray, normalisers: GpuArray) -> GpuArray:
    """What both gradients read of each query: its normaliser, and ``sum(grad * output)``."""
    batches, heads, queries, size = output.shape
    made = empty((batches, heads, queries, 2), float32, output.device_index)
    whole = padded(size)
    pipeline = delta_pipeline(given(grad, whole), given(output, whole))
    words = [batches, heads, queries, *operand(grad), *operand(output)]
    groups = grid(batches * heads * queries, WORKGROUP, output.device_index)
    pipeline.dispatch([grad, output, normalisers, made], words, groups)
    return made


def run_forward(
    reads: Sequence[GpuArray],
    mask: GpuArray | None,
    state: GpuArray | None,
    rule: AttentionRule,
    normalisers: GpuArray,
    output: GpuArray,
    tile: Tile | None = None,
) -> None:
    """Dispatch ``attention_forward.wgsl``, maybe with another tile than that of the model."""
    reads = [readable(array) for array in reads]
    q, k, v = reads
    index = q.device_index
    batches, heads, queries, _ = q.shape
    key_heads, keys = k.shape[1:3]
    size = padded(max(q.shape[3], v.shape[3]))
    tile = tile or choose(queries, heads * batches, size, _memory(index))
    scored = scored_by(mask, state, rule, q, k)
    variant = Variant(
        "forward",
        tile,
        size,
        tuple(given(array, size) for array in reads),
        rule.causal,
        scored.mask,
        state is not None,
        not vectors_fail(output),
    )
    blocks = -(-queries // tile.rows)
    words: Params = [batches, heads, heads // key_heads, queries, keys, blocks]
    for array in reads:
        words += operand(array)
    words += [*target(output), *scored.places, *scored.numbers]
    arrays = [*reads, *scored.arrays, normalisers, output]
    groups = plane(blocks * heads * batches, index)
    attention_pipeline(variant).dispatch(arrays, words, groups)


def _memory(index: int) -> int:
    return limits(index)["max-compute-workgroup-storage-size"]


def _clear(array: GpuArray) -> None:
    if array.size:
        assign(array, full(array.shape, 0.0, float32, array.device_index))


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    _, heads, length, size = shape
    return heads * length * size, length * size, size, 1


def _halved(result: GpuArray, output: GpuArray) -> GpuArray:
    """The result rounded to float16, in the layout that it has."""
    half = as_dtype(result, float16)
    return GpuArray(half.storage, output.shape, output.strides, half.offset, float16)


def dropout_state(generator: Generator, device_index: int) -> GpuArray:
    """See ``Backend.dropout_state``."""
    source = generator.source()

    def state() -> npt.NDArray[np.uint32]:
        seed, position = source.next()
        return np.array([seed & 0xFFFFFFFF, seed >> 32, position, 0], np.uint32)

    return host_value(state, (4,), np.uint32, device_index)


class Attention:
    """The family's part of the backend."""

    index: int

    attention = staticmethod(attention)
    attention_backward = staticmethod(attention_backward)
    attention_mask_gradient = staticmethod(attention_mask_gradient)
    packed_attention_backward = staticmethod(packed_attention_backward)

    def causal_mask(self, queries: int, keys: int, offset: int) -> GpuArray:
        mask = np.tri(queries, keys, offset, dtype=np.bool_)
        with outside_capture():
            return persist(from_host(mask, self.index))

    def kept_weights(self, state: GpuArray, shape: Shape, rule: AttentionRule) -> GpuArray:
        whole = full(shape, 1.0, float32, self.index)
        return dropout_again(whole, state, rule.dropout, 1.0 / (1.0 - rule.dropout))

    def dropout_state(self, generator: Generator) -> GpuArray:
        return dropout_state(generator, self.index)
