"""Sorting rows: short ones within a workgroup, longer ones digit by digit.

A pass over one digit counts the digits of every block (``sort_count.wgsl``), sums the counts
(``sort_scan.wgsl``) and moves every element to its place (``sort_scatter.wgsl``): the least
significant digit first, and without changing the order of equal ones.
"""

from __future__ import annotations

from rumus._core.dtypes import float32, int32
from rumus.gpu import GpuArray, empty

from .kernels import WORKGROUP, grid, plane
from .layout import Shape
from .movement import contiguous, view
from .row_source import as_dtype
from .sort_source import (
    BITS,
    DIGIT,
    SHORT,
    TILE,
    Keys,
    count_pipeline,
    rows_pipeline,
    scan_pipeline,
    scatter_pipeline,
    search_pipeline,
)
from .wgsl import dtype_name

FEW = 256
"""First elements of a row that are found without sorting all of it."""
ENOUGH_BLOCKS = 32768
"""Blocks that keep a large GPU busy to the end, and that write side by side."""


def sort(
    a: GpuArray, descending: bool = False, bits: int | None = None, first: int | None = None
) -> tuple[GpuArray, GpuArray]:
    """See ``Backend.sort``."""
    a = contiguous(a)
    rows, length = a.shape
    dtype = dtype_name(a.dtype)
    count = length if first is None else min(first, length)
    keys = Keys(dtype, BITS[dtype] if bits is None else max(bits, 1), bits is not None, descending)
    if length <= SHORT or count <= FEW:
        values, columns = _sort_short(keys, a, count)
    else:
        values, columns = _sort_long(keys, a)
        if count < length:
            wanted = slice(0, rows, 1), slice(0, count, 1)
            values, columns = view(values, wanted), view(columns, wanted)
    return as_dtype(values, a.dtype), columns


def _sort_short(keys: Keys, a: GpuArray, count: int) -> tuple[GpuArray, GpuArray]:
    """The first elements of rows, by way of those of their chunks."""
    rows, length = a.shape
    source, origins = a, None
    while True:
        chunks = max(1, -(-length // SHORT))
        pair = _pair(a, (rows, chunks * count))
        if not pair[0].size:
            return pair
        span = 1 << (-(-length // chunks) - 1).bit_length()
        groups = plane(-(-rows * chunks * span // SHORT), a.device_index)
        before = [source] if origins is None else [source, origins]
        pipeline = rows_pipeline(keys, span, origins is None, chunks == 1)
        words = rows, length, source.offset, chunks, count
        pipeline.dispatch([*before, *pair], words, groups)
        if chunks == 1:
            return pair
        (source, origins), length = pair, chunks * count


def _pair(a: GpuArray, shape: Shape) -> tuple[GpuArray, GpuArray]:
    """Memory for elements, 4 bytes each, and their columns."""
    wide = float32 if a.dtype.kind == "f" else int32
    return empty(shape, wide, a.device_index), empty(shape, int32, a.device_index)


def _sort_long(keys: Keys, a: GpuArray) -> tuple[GpuArray, GpuArray]:
    rows, length = a.shape
    if not rows:
        return _pair(a, a.shape)
    device = a.device_index
    tiles = -(-length // TILE)
    share = -(-tiles // min(tiles, max(1, ENOUGH_BLOCKS // rows))) * TILE
    blocks = -(-length // share)
    digits = [min(DIGIT, keys.bits - shift) for shift in range(0, keys.bits, DIGIT)]
    passes = len(digits)
    pairs = [_pair(a, a.shape) for _ in range(min(passes, 2))]
    source, origins = a, None
    for number, width in enumerate(digits):
        target, target_columns = pairs[(passes - 1 - number) % 2]
        first, last = number == 0, number == passes - 1
        table = empty((rows, 1 << width, blocks), int32, device)
        totals = empty((rows, 1 << width), int32, device)
        params = rows, length, source.offset, blocks, share, number * DIGIT
        groups = plane(rows * blocks, device)
        count_pipeline(keys, width, first).dispatch([source, table], params, groups)
        lines = rows << width
        lanes = 1 if blocks <= 8 else 32 if blocks <= 256 else WORKGROUP
        scan_pipeline(lanes).dispatch(
            [table, totals], (lines, blocks), plane(-(-lines * lanes // WORKGROUP), device)
        )
        before = [source] if origins is None else [source, origins]
        scatter_pipeline(keys, width, first, last).dispatch(
            [*before, table, totals, target, target_columns], params, groups
        )
        source, origins = target, target_columns
    return pairs[0]


def search(edges: GpuArray, values: GpuArray, right: bool) -> GpuArray:
    """See ``Backend.search``."""
    edges, values = contiguous(edges), contiguous(values)
    result = empty(values.shape, int32, values.device_index)
    if result.size:
        (rows, length), count = edges.shape, values.shape[1]
        step = 0 if rows == 1 else length
        words = values.size, count, length, step, edges.offset, values.offset
        groups = grid(values.size, WORKGROUP, values.device_index)
        pipeline = search_pipeline(dtype_name(edges.dtype), right)
        pipeline.dispatch([edges, values, result], words, groups)
    return result


class Sort:
    """The family's part of the backend."""

    sort = staticmethod(sort)
    search = staticmethod(search)
