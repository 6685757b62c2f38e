"""Scans: rows by tiles in workgroup memory, columns one by one; few and long ones in parts.

Where a scan is in parts, the total of each part comes first, then the scan of the totals, then the
parts with what comes before them: the input is read twice, which makes 12 bytes a float32. A part
never waits for another one, since WebGPU does not promise that it would ever be done.
"""

from __future__ import annotations

from math import inf, prod

from rumus._core.dtypes import float32, int32
from rumus.gpu import GpuArray, empty, to_host

from .kernels import WORKGROUP, grid, kernel, plane
from .movement import contiguous
from .row_source import as_dtype
from .scan_source import columns_pipeline, rows_pipeline
from .wgsl import dtype_name

_IDENTITY = {
    ("sum", True): 0.0,
    ("sum", False): 0,
    ("prod", True): 1.0,
    ("prod", False): 1,
    ("max", True): -inf,
    ("max", False): -(2**31),
    ("min", True): inf,
    ("min", False): 2**31 - 1,
    ("logaddexp", True): -inf,
}
TILE = 16 * WORKGROUP
"""Elements of a row that a workgroup takes at a time."""
FULL = 1024
"""Workgroups that keep a large GPU busy."""
MOST_PARTS = 4096
SHORTEST = 32
"""Elements of a column below which it is not split further."""


def scan(op: str, a: GpuArray, axis: int, reverse: bool = False) -> GpuArray:
    """See ``Backend.scan``."""
    a = contiguous(a)
    is_float = a.dtype.kind == "f"
    result = empty(a.shape, float32 if is_float else int32, a.device_index)
    if a.size:
        outer, inner = prod(a.shape[:axis]), prod(a.shape[axis + 1 :])
        along = _scan_rows if inner == 1 else _scan_columns
        along(op, a, result, (outer, a.shape[axis], inner), reverse)
    return result if op in ("sum", "prod") and not is_float else as_dtype(result, a.dtype)


def _scan_rows(
    op: str, a: GpuArray, result: GpuArray, dims: tuple[int, int, int], reverse: bool
) -> None:
    rows, length, _ = dims
    dtype, device = dtype_name(a.dtype), a.device_index
    lanes = min(WORKGROUP, 1 << max(0, (-(-length // 16) - 1).bit_length()))
    vectors = length % 4 == 0 and a.offset % 4 == 0
    parts, share = 1, length
    if length > 2 * TILE and rows < FULL:
        parts = min(-(-MOST_PARTS // rows), -(-length // TILE))
        share = -(-length // (parts * TILE)) * TILE
        parts = -(-length // share)
    words = rows, length, a.offset, parts, share, _IDENTITY[op, a.dtype.kind == "f"]
    groups = plane(-(-rows * parts * lanes // WORKGROUP), device)
    if parts == 1:
        pipeline = rows_pipeline(op, dtype, lanes, vectors, reverse)
        pipeline.dispatch([a, result], words, groups)
        return
    totals = empty((rows, parts), result.dtype, device)
    pipeline = rows_pipeline(op, dtype, lanes, vectors, reverse, totals=True)
    pipeline.dispatch([a, totals], words, groups)
    carries = scan(op, totals, 1)
    pipeline = rows_pipeline(op, dtype, lanes, vectors, reverse, carried=True)
    pipeline.dispatch([a, carries, result], words, groups)


def _scan_columns(
    op: str, a: GpuArray, result: GpuArray, dims: tuple[int, int, int], reverse: bool
) -> None:
    outer, length, inner = dims
    dtype, device = dtype_name(a.dtype), a.device_index
    vectors = inner % 4 == 0 and a.offset % 4 == 0
    width, offset = (inner // 4, a.offset // 4) if vectors else (inner, a.offset)
    parts = min(-(-FULL * WORKGROUP // (outer * width)), length // SHORTEST, MOST_PARTS)
    share = -(-length // max(parts, 1))
    parts = -(-length // share)
    words = outer, length, width, offset, parts, share, _IDENTITY[op, a.dtype.kind == "f"]
    groups = plane(-(-outer * parts * width // WORKGROUP), device)
    if parts == 1:
        pipeline = columns_pipeline(op, dtype, vectors, reverse)
        pipeline.dispatch([a, result], words, groups)
        return
    totals = empty((outer, parts, inner), result.dtype, device)
    pipeline = columns_pipeline(op, dtype, vectors, reverse, totals=True)
    pipeline.dispatch([a, totals], words, groups)
    carries = scan(op, totals, 1)
    pipeline = columns_pipeline(op, dtype, vectors, reverse, carried=True)
    pipeline.dispatch([a, carries, result], words, groups)


def selected(mask: GpuArray) -> GpuArray:
    """The int32 positions of the true elements of a mask of one axis; waits for their number."""
    if not mask.size:
        return empty((0,), int32, mask.device_index)
    numbers = scan("sum", mask, 0)
    last = GpuArray(numbers.storage, (1,), (1,), numbers.offset + mask.size - 1, int32)
    result = empty((int(to_host(last)[0]),), int32, mask.device_index)
    groups = grid(mask.size, WORKGROUP, mask.device_index)
    if result.size:
        kernel("selected").variant().dispatch([numbers, result], (mask.size,), groups)
    return result


class Scan:
    """The family's part of the backend."""

    scan = staticmethod(scan)
