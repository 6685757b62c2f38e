"""Attention: how its arrays lie, and the kernels that read them as they do."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rumus._backends.contract.attention import AttentionRule
from rumus._backends.generator import Generator
from rumus._core.dtypes import float16, float32
from rumus.gpu import GpuArray, empty, from_host, full, host_value, limits, outside_capture, persist

from .attention_source import Given, Variant, attention_pipeline, delta_pipeline
from .attention_tiles import (
    BLOCKS_BYTES,
    TX,
    Part,
    Tile,
    choose,
    column_chunks,
    edge_tile,
    padded,
    parts,
)
from .kernels import WORKGROUP, grid, plane
from .layout import Shape, broadcast_strides
from .movement import assign, copy
from .random import dropout_again
from .row_source import as_dtype
from .wgsl import dtype_name

Params = list[int | float]


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
        run_joined([q, k, v], mask, state, rule, normalisers, output)
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
    whole = empty((q.size + k.size + v.size,), float32, q.device_index)
    starts = 0, q.size, q.size + k.size
    into_q, into_k, into_v = (
        GpuArray(whole.storage, part.shape, _strides(part.shape), start, float32)
        for part, start in zip((q, k, v), starts, strict=True)
    )
    into = into_q, into_k, into_v
    _backward(grad, (q, k, v), mask, state, output, normalisers, rule, into)
    return into


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
    into: tuple[GpuArray, GpuArray, GpuArray],
) -> None:
    if not (grad.size and parts[1].size):
        for array in into:
            _clear(array)
        return
    reads = [_readable(array) for array in (*parts, grad)]
    made = statistics(reads[3], _readable(output), normalisers)
    run_backward(reads, mask, state, rule, made, into)


def statistics(grad: GpuArray, output: GpuArray, normalisers: GpuArray) -> GpuArray:
    """What both gradients read of each query: its normaliser, and ``sum(grad * output)``."""
    batches, heads, queries, size = output.shape
    made = empty((batches, heads, queries, 2), float32, output.device_index)
    whole = padded(size)
    pipeline = delta_pipeline(_given(grad, whole), _given(output, whole))
    words = [batches, heads, queries, *_operand(grad), *_operand(output)]
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
    reads = [_readable(array) for array in reads]
    q, k, v = reads
    index = q.device_index
    batches, heads, queries, _ = q.shape
    key_heads, keys = k.shape[1:3]
    size = padded(max(q.shape[3], v.shape[3]))
    tile = tile or choose(queries, heads * batches, size, _memory(index))
    scored = _scored(mask, state, rule, (batches, heads, queries, keys))
    variant = Variant(
        "forward",
        tile,
        size,
        tuple(_given(array, size) for array in reads),
        rule.causal,
        scored.mask,
        state is not None,
        not _vectors_fail(output),
    )
    blocks = -(-queries // tile.rows)
    words: Params = [batches, heads, heads // key_heads, queries, keys, blocks]
    for array in reads:
        words += _operand(array)
    words += [*_target(output), *scored.words]
    arrays = [*reads, *scored.arrays, normalisers, output]
    groups = plane(blocks * heads * batches, index)
    attention_pipeline(variant).dispatch(arrays, words, groups)


class Blocks(NamedTuple):
    """How weights, or weights and slopes, lie in memory, and what is made at a time."""

    tile: Tile
    parts: list[Part]
    array: GpuArray
    beside: int
    """The vector from which on slopes lie, or the sums and largest scores of rows."""
    sizes: tuple[int, int, int, int]
    """Heads, query heads that share a key head, queries and keys."""
    key_blocks: int

    def words(self, part: Part) -> Params:
        """What all kernels want to know of a part."""
        words: Params = [part.first_line, part.lines, *self.sizes, self.key_blocks]
        return [*words, part.blocks, part.first_block, part.last_block, self.beside]


def _blocks(
    q: GpuArray, k: GpuArray, causal: bool, tile: Tile | None, most_bytes: int, slopes: bool
) -> Blocks:
    index = q.device_index
    batches, heads, queries, _ = q.shape
    sharing, keys = heads // k.shape[1], k.shape[2]
    lines = batches * heads
    tile = tile or edge_tile(queries, keys, lines)
    edge = tile.rows
    rows, key_blocks = -(-queries // edge), -(-keys // edge)
    vectors = edge * edge // 4
    beside = vectors if slopes else edge // 2
    most = min(most_bytes, limits(index)["max-storage-buffer-binding-size"])
    most //= 16 * (vectors + beside)
    plan = parts(lines, sharing, rows, key_blocks, causal, most, keys_sum=slopes)
    number = max(part.lines * part.blocks for part in plan)
    array = empty((4 * number * (vectors + beside),), float32, index)
    sizes = heads, sharing, queries, keys
    return Blocks(tile, plan, array, number * vectors, sizes, key_blocks)


def run_joined(
    reads: Sequence[GpuArray],
    mask: GpuArray | None,
    state: GpuArray | None,
    rule: AttentionRule,
    normalisers: GpuArray,
    output: GpuArray,
    tile: Tile | None = None,
    most_bytes: int = BLOCKS_BYTES,
) -> None:
    """Weights of some heads and queries at a time, and their products with values."""
    q, k, v = (_readable(array) for array in reads)
    index = q.device_index
    shape = (*q.shape[:3], k.shape[2])
    blocks = _blocks(q, k, rule.causal, tile, most_bytes, False)
    tile = blocks.tile
    made = tile._replace(column_chunks=tile.row_chunks * tile.ty // TX)
    narrow = tile._replace(column_chunks=column_chunks(v.shape[3]))
    wide = -(-v.shape[3] // narrow.columns)
    scored = _scored(mask, state, rule, shape)
    weights = _variant("weights", made, (q, k), 0, rule.causal)
    weights = weights._replace(mask=scored.mask, dropout=state is not None)
    outputs = _variant("outputs", narrow, (v,), wide * narrow.columns, rule.causal)
    outputs = outputs._replace(result_vectors=not _vectors_fail(output))
    for part in blocks.parts:
        words = blocks.words(part)
        of_weights = [*words, *_operand(q), *_operand(k), *scored.words]
        groups = plane(part.lines * part.blocks, index)
        arrays = [q, k, *scored.arrays, blocks.array]
        attention_pipeline(weights).dispatch(arrays, of_weights, groups)
        number = (part.last_block - part.first_block) * part.lines * wide
        words += [wide, number, *_operand(v), *_target(output)]
        arrays = [v, blocks.array, normalisers, output]
        attention_pipeline(outputs).dispatch(arrays, words, plane(number, index))


def run_backward(
    reads: Sequence[GpuArray],
    mask: GpuArray | None,
    state: GpuArray | None,
    rule: AttentionRule,
    made: GpuArray,
    into: Sequence[GpuArray],
    tile: Tile | None = None,
    most_bytes: int = BLOCKS_BYTES,
) -> None:
    """Weights and slopes of some heads and queries at a time, and their products.

    Args:
        reads: Queries, keys, values and the gradient.
        mask: What is added to scores, or where keys take part.
        state: What dropout is drawn from.
        rule: How queries look at keys.
        made: Of :func:`statistics`.
        into: Views of one storage, for the gradients of queries, keys and values.
        tile: Another one than that of the model, for measurements.
        most_bytes: What weights and slopes may take at a time.
    """
    q, k, v, grad = reads
    index = q.device_index
    shape = (*q.shape[:3], k.shape[2])
    blocks = _blocks(q, k, rule.causal, tile, most_bytes, True)
    tile = blocks.tile
    square = tile._replace(column_chunks=tile.row_chunks * tile.ty // TX)
    size = max(q.shape[3], v.shape[3])
    narrow = tile._replace(column_chunks=column_chunks(size))
    wide = -(-size // narrow.columns)
    scored = _scored(mask, state, rule, shape)
    slopes = _variant("slopes", square, reads, 0, rule.causal)
    slopes = slopes._replace(mask=scored.mask, dropout=state is not None)
    read = q, k, grad
    products = _variant("products", narrow, read, wide * narrow.columns, rule.causal)
    products = products._replace(result_vectors=not any(_vectors_fail(array) for array in into))
    of_targets = [word for array in into for word in _target(array)]
    for part in blocks.parts:
        words = blocks.words(part)
        of_slopes = [*words, *(word for array in reads for word in _operand(array)), *scored.words]
        groups = plane(part.lines * part.blocks, index)
        arrays = [*reads, made, *scored.arrays, blocks.array]
        attention_pipeline(slopes).dispatch(arrays, of_slopes, groups)
        owners = part.lines // blocks.sizes[1]
        ranks = max(blocks.key_blocks, part.last_block - part.first_block)
        number = ranks * (2 * owners + part.lines) * wide
        words += [wide, number]
        words += [word for array in read for word in _operand(array)] + of_targets
        pipeline = attention_pipeline(products._replace(adding=part.first_block > 0))
        pipeline.dispatch([*read, blocks.array, into[0]], words, plane(number, index))


def _variant(
    kernel: str, tile: Tile, reads: Sequence[GpuArray], size: int, causal: bool
) -> Variant:
    """A kernel that reads heads up to a size, or by slices."""
    sizes = (size or padded(array.shape[3], tile.slice) for array in reads)
    given = tuple(_given(array, whole) for array, whole in zip(reads, sizes, strict=True))
    return Variant(kernel, tile, tile.columns, given, causal)


class Scored(NamedTuple):
    """The mask and dropout, as a kernel that makes scores takes them."""

    mask: str | None
    arrays: list[GpuArray]
    words: Params


def _scored(
    mask: GpuArray | None,
    state: GpuArray | None,
    rule: AttentionRule,
    shape: tuple[int, int, int, int],
) -> Scored:
    arrays: list[GpuArray] = []
    words: Params = [0] * 5
    if mask is not None:
        mask = copy(mask) if min(mask.strides) < 0 else mask
        words = [mask.offset, *broadcast_strides(mask.shape, mask.strides, shape)]
        arrays.append(mask)
    if state is not None:
        words.append(state.offset)
        arrays.append(state)
    words += [rule.scale, -inf]
    words += [rule.dropout, 1.0 / (1.0 - rule.dropout)] if state is not None else []
    return Scored(None if mask is None else dtype_name(mask.dtype), arrays, words)


def _memory(index: int) -> int:
    return limits(index)["max-compute-workgroup-storage-size"]


def _clear(array: GpuArray) -> None:
    if array.size:
        assign(array, full(array.shape, 0.0, float32, array.device_index))


def _readable(array: GpuArray) -> GpuArray:
    """The array, or a copy of one whose heads do not lie in a row."""
    if min(array.strides) < 0 or (array.shape[3] > 1 and array.strides[3] != 1):
        return copy(array)
    return array


def _given(array: GpuArray, size: int) -> Given:
    fits = not _vectors_fail(array)
    return Given(dtype_name(array.dtype), fits, fits and array.shape[3] == size)


def _vectors_fail(array: GpuArray) -> bool:
    """Whether a row of a head may begin or end within a vector."""
    used = (step for step, n in zip(array.strides[:3], array.shape, strict=False) if n > 1)
    return bool(array.offset % 4 or array.shape[3] % 4 or any(step % 4 for step in used))


def _operand(array: GpuArray) -> Params:
    steps = (step if n > 1 else 0 for step, n in zip(array.strides, array.shape, strict=True))
    batch, head, row, _ = steps
    return [array.offset, batch, head, row, array.shape[2], array.shape[3]]


def _target(array: GpuArray) -> Params:
    return [array.offset, *array.strides[:3], array.shape[3]]


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
