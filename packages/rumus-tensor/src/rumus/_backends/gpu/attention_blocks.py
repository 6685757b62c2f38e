"""Attention by blocks of weights in memory, of some heads, queries and keys at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rumus._backends.contract.attention import AttentionRule
from rumus._core.dtypes import float32
from rumus.gpu import GpuArray, empty, full, limits

from .attention_layout import Params, given, operand, readable, scored_by, target, vectors_fail
from .attention_parts import Part, parts_of
from .attention_source import Variant, attention_pipeline, mask_pipeline
from .attention_tiles import BLOCKS_BYTES, Blocking, Tile, blocking_of, column_chunks, padded
from .kernels import WORKGROUP, grid, plane


class Blocks(NamedTuple):
    """How weights, or weights and slopes, lie in memory, and what is made at a time."""

    tile: Blocking
    parts: list[Part]
    array: GpuArray
    beside: int
    """The vector from which on slopes lie, or the sums and largest scores of rows."""
    sizes: tuple[int, int, int, int]
    """Heads, query heads that share a key head, queries and keys."""

    def words(self, part: Part) -> Params:
        """What all kernels want to know of a part."""
        place: Params = [part.first_row, part.last_row, part.first_column, part.last_column]
        words: Params = [part.first_line, part.lines, *self.sizes, *place]
        return [*words, part.triangle, part.blocks, self.beside]

    def makers(self, part: Part) -> int:
        """Workgroups that make the blocks of a part."""
        return part.lines * part.blocks * (self.tile.edge // self.tile.maker.rows)


def _blocks(
    q: GpuArray, k: GpuArray, causal: bool, blocking: Blocking | None, most_bytes: int, slopes: bool
) -> Blocks:
    index = q.device_index
    batches, heads, queries, _ = q.shape
    sharing, keys = heads // k.shape[1], k.shape[2]
    lines = batches * heads
    tile = blocking or blocking_of(queries, lines, slopes)
    edge = tile.edge
    rows, key_blocks = -(-queries // edge), -(-keys // edge)
    vectors = edge * edge // 4
    beside = vectors if slopes else edge // 2
    most = min(most_bytes, limits(index)["max-storage-buffer-binding-size"])
    most //= 16 * (vectors + beside)
    plan = parts_of(lines, sharing, rows, key_blocks, causal, most, whole_rows=not slopes)
    number = max(part.lines * part.blocks for part in plan)
    array = empty((4 * number * (vectors + beside),), float32, index)
    sizes = heads, sharing, queries, keys
    return Blocks(tile, plan, array, number * vectors, sizes)


def forward_by_blocks(
    reads: Sequence[GpuArray],
    mask: GpuArray | None,
    state: GpuArray | None,
    rule: AttentionRule,
    normalisers: GpuArray,
    output: GpuArray,
    blocking: Blocking | None = None,
    most_bytes: int = BLOCKS_BYTES,
) -> None:
    """Weights of some heads and queries at a time, and their products with values."""
    q, k, v = (readable(array) for array in reads)
    index = q.device_index
    blocks = _blocks(q, k, rule.causal, blocking, most_bytes, False)
    tile = blocks.tile
    made = tile.maker
    narrow = tile.multiplier._replace(column_chunks=column_chunks(v.shape[3]))
    wide = -(-v.shape[3] // narrow.columns)
    scored = scored_by(mask, state, rule, q, k)
    weights = _variant("weights", made, (q, k), 0, rule.causal)
    weights = weights._replace(edge=tile.edge, mask=scored.mask, dropout=state is not None)
    outputs = _variant("outputs", narrow, (v,), wide * narrow.columns, rule.causal)
    outputs = outputs._replace(edge=tile.edge, result_vectors=not vectors_fail(output))
    for part in blocks.parts:
        words = blocks.words(part)
        of_weights = [*words, *operand(q), *operand(k), *scored.places, *scored.numbers]
        groups = plane(blocks.makers(part), index)
        arrays = [q, k, *scored.arrays, blocks.array]
        attention_pipeline(weights).dispatch(arrays, of_weights, groups)
        number = (part.last_row - part.first_row) * part.lines * wide
        words += [wide, number, *operand(v), *target(output)]
        arrays = [v, blocks.array, normalisers, output]
        attention_pipeline(outputs).dispatch(arrays, words, plane(number, index))


def backward_by_blocks(
    reads: Sequence[GpuArray],
    mask: GpuArray | None,
    state: GpuArray | None,
    rule: AttentionRule,
    made: GpuArray,
    into: Sequence[GpuArray],
    blocking: Blocking | None = None,
    most_bytes: int = BLOCKS_BYTES,
) -> None:
    """Weights and slopes of some heads, queries and keys at a time, and their products.

    Args:
        reads: Queries, keys, values and the gradient.
        mask: What is added to scores, or where keys take part.
        state: What dropout is drawn from.
        rule: How queries look at keys.
        made: Of :func:`statistics`.
        into: Views of one storage, for the gradients of queries, keys and values.
        blocking: Another one than that of the model, for measurements.
        most_bytes: What weights and slopes may take at a time.
    """
    q, k, v, grad = reads
    index = q.device_index
    blocks = _blocks(q, k, rule.causal, blocking, most_bytes, True)
    size = max(q.shape[3], v.shape[3])
    tile = blocks.tile.multiplier._replace(column_chunks=column_chunks(size))
    wide = -(-size // tile.columns)
    read = q, k, grad
    products = _variant("products", tile, read, wide * tile.columns, rule.causal)
    products = products._replace(
        edge=blocks.tile.edge, result_vectors=not any(vectors_fail(array) for array in into)
    )
    arrays = [*read, blocks.array, into[0]]
    of_arrays = [word for array in read for word in operand(array)]
    of_arrays += [word for array in into for word in target(array)]
    for part in _slopes(blocks, reads, mask, state, rule, made, rule.scale):
        owners = part.lines // blocks.sizes[1]
        ranks = max(part.last_column - part.first_column, part.last_row - part.first_row)
        number = ranks * (2 * owners + part.lines) * wide
        words = [*blocks.words(part), wide, number, part.adds_to_queries, part.adds_to_keys]
        groups = plane(number, index)
        attention_pipeline(products).dispatch(arrays, [*words, *of_arrays], groups)


def mask_gradient(
    reads: Sequence[GpuArray],
    mask: GpuArray,
    state: GpuArray | None,
    rule: AttentionRule,
    made: GpuArray,
    most_bytes: int = BLOCKS_BYTES,
) -> GpuArray:
    """The sums of slopes for each element of an added mask, float32; the rest as above."""
    q, k = reads[:2]
    shape = (1,) * (4 - mask.ndim) + mask.shape
    into = full(mask.shape, 0.0, float32, q.device_index)
    blocks = _blocks(q, k, rule.causal, None, most_bytes, True)
    groups = grid(mask.size, WORKGROUP, q.device_index)
    for part in _slopes(blocks, reads, mask, state, rule, made, 1.0):
        words = [*blocks.words(part), *shape]
        mask_pipeline(blocks.tile.edge).dispatch([blocks.array, into], words, groups)
    return into


def _slopes(
    blocks: Blocks,
    reads: Sequence[GpuArray],
    mask: GpuArray | None,
    state: GpuArray | None,
    rule: AttentionRule,
    made: GpuArray,
    scale: float,
) -> Iterator[Part]:
    """The parts, one after the other, with their weights and slopes in memory."""
    scored = scored_by(mask, state, rule, reads[0], reads[1])
    slopes = _variant("slopes", blocks.tile.maker, reads, 0, rule.causal)
    slopes = slopes._replace(edge=blocks.tile.edge, mask=scored.mask, dropout=state is not None)
    arrays = [*reads, made, *scored.arrays, blocks.array]
    of_arrays = [word for array in reads for word in operand(array)]
    for part in blocks.parts:
        if part.blocks:
            words = [*blocks.words(part), *of_arrays, *scored.places, scale, *scored.numbers]
            groups = plane(blocks.makers(part), reads[0].device_index)
            attention_pipeline(slopes).dispatch(arrays, words, groups)
        yield part


def _variant(
    kernel: str, tile: Tile, reads: Sequence[GpuArray], size: int, causal: bool
) -> Variant:
    """A kernel that reads heads up to a size, or by slices."""
    lie = (given(array, size or padded(array.shape[3], tile.slice)) for array in reads)
    return Variant(kernel, tile, tile.columns, tuple(lie), causal)
