"""Elements by their positions along the middle axis of a 3-D array."""

from __future__ import annotations

from functools import cache

from rumus._core.dtypes import float32, int32, is_float
from rumus._core.errors import IndexRangeError
from rumus._core.indexing import out_of_range
from rumus.gpu import GpuArray, Pipeline, _capture, _faults, empty, zeros

from .elementwise import elementwise
from .kernels import WORKGROUP, grid, kernel
from .movement import WIDE, assign
from .scan import selected
from .segments import segment_sums
from .wgsl import REGISTER, declare_loads, declare_output, dtype_name, math_source


def positions(index: GpuArray, length: int, name: str, wrap: bool = True) -> GpuArray:
    """See ``Backend.positions``."""
    result = empty(index.shape, int32, index.device_index)
    words = (
        *(index.size, index.shape[1], index.shape[2], length),
        *(index.offset, *index.strides),
        *(-length if wrap else 0, fault_code(name)),
    )
    groups = grid(index.size, WORKGROUP, index.device_index)
    kernel("positions").variant().dispatch([index, result], words, groups)
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
    groups = grid(-(-result.size // 4), WORKGROUP, a.device_index)
    gather_pipeline(dtype_name(a.dtype), vectors).dispatch([a, index, result], words, groups)
    return result


def put(target: GpuArray, index: GpuArray, values: GpuArray, name: str) -> None:
    """See ``Backend.put``."""
    if not values.size:
        return
    if target.dtype.itemsize != 4:
        # Single bytes and halves of words cannot be stored without a race.
        wide = elementwise("cast", [target], WIDE[str(target.dtype)])
        put(wide, index, elementwise("cast", [values], target.dtype), name)
        assign(target, wide)
        return
    if values.dtype != target.dtype:
        values = elementwise("cast", [values], target.dtype)
    length, (index_outer, count, index_inner) = target.shape[1], index.shape
    where = positions(index, length, name)
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
    outer, _, inner = values.shape
    dtype = float32 if is_float(values.dtype) else int32
    if out is None or out.dtype != dtype:
        out = zeros((outer, length, inner), dtype, values.device_index)
    else:
        zero = zeros((1,), dtype, out.device_index)
        assign(out, GpuArray(zero.storage, out.shape, (0, 0, 0), 0, dtype))
    if not values.size:
        return out
    if index.shape[0] == index.shape[2] == 1:
        keys = positions(index, length, name)
        segment_sums(values, keys, length, out, -1 if skip is None else skip)
        return out
    steps = broadcast_steps(index)
    whole = GpuArray(index.storage, values.shape, steps, index.offset, int32)
    keys = positions(whole, length, name)
    flat = values if values.is_contiguous else elementwise("cast", [values], values.dtype)
    column = GpuArray(flat.storage, (1, flat.size, 1), (0, 1, 0), flat.offset, flat.dtype)
    place = GpuArray(out.storage, (1, out.size, 1), (0, 1, 0), out.offset, out.dtype)
    segment_sums(column, keys, out.size, place, -1)
    return out


def iota(length: int, device_index: int) -> GpuArray:
    """See ``Backend.iota``."""
    result = empty((length,), int32, device_index)
    groups = grid(-(-length // 4), WORKGROUP, device_index)
    kernel("iota").variant().dispatch([result], (length,), groups)
    return result


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
def gather_pipeline(dtype: str, vectors: bool) -> Pipeline:
    """A variant of ``gather.wgsl``."""
    prelude = math_source("math") + f"alias T = {REGISTER[dtype]};\n"
    prelude += declare_loads(0, "x", dtype, vectors)
    prelude += declare_output(2, "output", dtype)
    return kernel("gather").variant(prelude=prelude, VECTORS=vectors)


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
