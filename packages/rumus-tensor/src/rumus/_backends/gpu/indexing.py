"""Elements by their positions along the middle axis of a 3-D array."""

from __future__ import annotations

from functools import cache

from rumus._core.dtypes import float32, int32, is_float
from rumus._core.errors import IndexRangeError
from rumus._core.indexing import out_of_range
from rumus.gpu import GpuArray, Kernel, Pipeline, _capture, _faults, empty, zeros

from .elementwise import elementwise
from .kernels import WORKGROUP, grid, kernel, plane
from .movement import WIDE, assign, contiguous
from .scan import selected
from .segments import (
    iota,
    is_few,
    is_short,
    line_sums,
    place_sums,
    segment_sums,
    short_line_sums,
)
from .unroll import unroll
from .wgsl import (
    REGISTER,
    declare_loads,
    declare_output,
    dtype_name,
    math_source,
    read_shader,
)

MANY = 1 << 22
"""Vectors that keep a large GPU busy although an invocation makes several."""
MOST_EACH = 4


def positions(
    index: GpuArray, length: int, name: str, wrap: bool = True, before: GpuArray | None = None
) -> GpuArray:
    """See ``Backend.positions``."""
    result = empty(index.shape, int32, index.device_index)
    words = (
        *(index.size, index.shape[1], index.shape[2], length),
        *(index.offset, *index.strides),
        *(0 if before is None else before.offset, -length if wrap else 0, fault_code(name)),
    )
    groups = grid(index.size, WORKGROUP, index.device_index)
    arrays = [index, index if before is None else before, result]
    kernel("positions").variant(ADDS=before is not None).dispatch(arrays, words, groups)
    return result


def gather(a: GpuArray, index: GpuArray, name: str, wrap: bool = True) -> GpuArray:
    """See ``Backend.gather``."""
    (outer, length, inner), count = a.shape, index.shape[1]
    result = empty((outer, count, inner), a.dtype, a.device_index)
    if not result.size:
        return result
    steps = broadcast_steps(index)
    vectors = not steps[2] and in_vectors(a)
    words = (
        *(result.size, count, inner, length),
        *(a.offset, *a.strides, index.offset, *steps),
        *(-length if wrap else 0, fault_code(name)),
    )
    size = -(-result.size // 4)
    each = MOST_EACH if size >= MANY else 1
    groups = plane(-(-size // (WORKGROUP * each)), a.device_index)
    pipeline = gather_pipeline(dtype_name(a.dtype), vectors, each)
    pipeline.dispatch([a, index, result], words, groups)
    return result


def put(target: GpuArray, index: GpuArray, values: GpuArray, name: str, wrap: bool = True) -> None:
    """See ``Backend.put``."""
    if not values.size:
        return
    if target.dtype.itemsize != 4:
        # Single bytes and halves of words cannot be stored without a race.
        wide = elementwise("cast", [target], WIDE[str(target.dtype)])
        put(wide, index, elementwise("cast", [values], target.dtype), name, wrap)
        assign(target, wide)
        return
    if values.dtype != target.dtype:
        values = elementwise("cast", [values], target.dtype)
    length, (index_outer, count, index_inner) = target.shape[1], index.shape
    where = positions(index, length, name, wrap)
    marks = zeros((index_outer * length * index_inner,), int32, target.device_index)
    groups = grid(where.size, WORKGROUP, target.device_index)
    words: tuple[int, ...] = where.size, count, index_inner, length
    kernel("last").variant().dispatch([where, marks], words, groups)
    words = (
        *(values.size, count, values.shape[2], length, index_inner),
        *(target.offset, *target.strides),
        *(values.offset, *values.strides),
        *broadcast_steps(where),
    )
    groups = grid(values.size, WORKGROUP, target.device_index)
    kernel("put").variant().dispatch([where, marks, values, target], words, groups)


def sum_at(
    values: GpuArray,
    index: GpuArray,
    length: int,
    name: str,
    skip: int | None = None,
    out: GpuArray | None = None,
) -> GpuArray:
    """See ``Backend.sum_at``."""
    outer, count, inner = values.shape
    dtype = float32 if is_float(values.dtype) else int32
    place = out if out is not None and out.dtype == dtype else None
    skipped, is_line = -1 if skip is None else skip, index.shape[0] == index.shape[2] == 1
    if values.size and is_line and is_few(length, count):
        sums = place or empty((outer, length, inner), dtype, values.device_index)
        place_sums(values, index, length, sums, skipped, fault_code(name))
        return sums
    sums = zeros((outer, length, inner), dtype, values.device_index) if place is None else place
    if place is not None:
        zero = zeros((1,), dtype, place.device_index)
        assign(place, GpuArray(zero.storage, place.shape, (0, 0, 0), 0, dtype))
    if values.size and is_line:
        segment_sums(values, positions(index, length, name), length, sums, skipped)
    elif values.size:
        add_along(values, index, length, sums, name)
    return sums


def add_along(values: GpuArray, index: GpuArray, length: int, sums: GpuArray, name: str) -> None:
    """Add values (outer, count, inner) into zeros, at positions that differ from line to line."""
    outer, count, inner = values.shape
    whole = GpuArray(index.storage, values.shape, broadcast_steps(index), index.offset, int32)
    column = as_column(contiguous(values))
    if inner == 1 and is_short(length, count):
        short_line_sums(column, whole, length, sums, fault_code(name))
    elif inner == 1:
        keys = positions(as_column(contiguous(whole)), length, name)
        line_sums(column, as_rows(keys, outer, count), length, as_column(sums))
    else:
        keys = positions(contiguous(whole), length, name)
        segment_sums(column, keys, sums.size, as_column(sums), -1)


def as_column(a: GpuArray) -> GpuArray:
    """A contiguous array as (1, size, 1)."""
    return GpuArray(a.storage, (1, a.size, 1), (0, 1, 0), a.offset, a.dtype)


def as_rows(a: GpuArray, rows: int, columns: int) -> GpuArray:
    """A contiguous array as a matrix."""
    return GpuArray(a.storage, (rows, columns), (columns, 1), a.offset, a.dtype)


def flat_nonzero(a: GpuArray) -> GpuArray:
    """See ``Backend.flat_nonzero``."""
    _capture.refuse(
        "selects elements by a mask, and their number is known only when it is read back "
        "(where(mask, a, b) and masked_fill keep the shape, and can be captured)"
    )
    mask = elementwise("ne", [a, 0])
    flat = GpuArray(mask.storage, (mask.size,), (1,), 0, mask.dtype)
    return selected(flat)


def broadcast_steps(index: GpuArray) -> tuple[int, int, int]:
    """Strides of an index that broadcasts over the outer and the inner axis."""
    steps = (0 if n == 1 else step for n, step in zip(index.shape, index.strides, strict=True))
    outer, step, inner = steps
    return outer, step, inner


def in_vectors(a: GpuArray) -> bool:
    """Whether every row along the last axis begins and ends on a vector of 4."""
    (outer, rows, inner), (outer_step, step, inner_step) = a.shape, a.strides
    starts = a.offset, 0 if outer == 1 else outer_step, 0 if rows == 1 else step
    return inner % 4 == 0 and inner_step == 1 and not any(start % 4 for start in starts)


@cache
def fault_code(name: str) -> int:
    """The code under which a kernel reports a position outside of its axis."""
    return _faults.register((out_of_range(name, "{0}", "{1}"), IndexRangeError))


@cache
def gather_pipeline(dtype: str, vectors: bool, each: int) -> Pipeline:
    """A variant of ``gather.wgsl``."""
    prelude = math_source("math") + f"alias T = {REGISTER[dtype]};\n"
    prelude += declare_loads(0, "x", dtype, vectors)
    prelude += declare_output(2, "output", dtype)
    return gather_kernel(each).variant(prelude=prelude, VECTORS=vectors, EACH=each)


@cache
def gather_kernel(each: int) -> Kernel:
    """The kernel of ``gather.wgsl``, with its loops written out."""
    return Kernel(unroll(read_shader("gather.wgsl"), {"EACH": each}), name="gather", trusted=True)


class Indexing:
    """The family's part of the backend."""

    index: int
    """N of the device ``"gpu:N"``."""

    positions = staticmethod(positions)
    gather = staticmethod(gather)
    put = staticmethod(put)
    sum_at = staticmethod(sum_at)
    flat_nonzero = staticmethod(flat_nonzero)

    def iota(self, length: int) -> GpuArray:
        return iota(length, self.index)
