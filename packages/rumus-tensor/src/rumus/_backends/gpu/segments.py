"""Sums of rows that share a place, the same in every run: by a stable sort, or one by one."""

from __future__ import annotations

from functools import cache

from rumus._core.dtypes import int32
from rumus.gpu import GpuArray, Kernel, Pipeline, empty

from .elementwise import elementwise
from .kernels import WORKGROUP, grid, kernel, plane
from .reduce import reduce
from .sort import sort
from .unroll import unroll
from .wgsl import REGISTER, declare_loads, dtype_name, read_shader

AHEAD = 4
"""Rows that an invocation has on their way at a time."""
BUSY = 1 << 18
"""Invocations that keep a large GPU's memory busy."""
FEW = 1 << 22
"""Comparisons of a place with an index that cost less than to sort."""
SPLIT = 1024
"""Rows that a workgroup of ``place_sums.wgsl`` looks at, or ``line_sums.wgsl`` sorts."""


def iota(length: int, device_index: int) -> GpuArray:
    """The int32 numbers 0, 1, …."""
    result = empty((length,), int32, device_index)
    groups = grid(-(-length // 4), WORKGROUP, device_index)
    kernel("iota").variant().dispatch([result], (length,), groups)
    return result


def is_few(length: int, count: int) -> bool:
    """Whether every place may look at every row."""
    return length * count <= FEW


def place_sums(
    values: GpuArray, index: GpuArray, length: int, out: GpuArray, skip: int, code: int
) -> None:
    """Write the sums of the rows of ``values`` (outer, count, inner) to (outer, length, inner).

    Args:
        values: Rows along the middle axis.
        index: int32, (1, count, 1): the place of each row.
        length: The number of places.
        out: Of 4-byte elements, contiguous.
        skip: A place that stays 0.
        code: Of the fault that a place outside is.
    """
    outer, count, inner = values.shape
    vectors = is_vector(values) and out.offset % 4 == 0 and inner % 4 == 0
    width = 4 if vectors else 1
    columns = outer * inner // width
    lanes = lanes_of(columns)
    splits, strips = -(-count // SPLIT), -(-columns // lanes)
    target = out
    if splits > 1:
        target = empty((splits, *out.shape), out.dtype, out.device_index)
    outer_step, step, inner_step = values.strides
    words = (
        *(count, columns, inner // width, length, index.offset, index.strides[1]),
        *(values.offset, outer_step, step, inner_step * width),
        *(target.offset // width, length * inner // width, out.size // width),
        *(skip, code, strips, splits),
    )
    pipeline = place_pipeline(dtype_name(values.dtype), vectors, lanes)
    groups = plane(strips * length * splits, values.device_index)
    pipeline.dispatch([index, values, target], words, groups)
    if splits > 1:
        reduce("sum", target, (0,), False, out)


def segment_sums(values: GpuArray, keys: GpuArray, length: int, out: GpuArray, skip: int) -> None:
    """Add the rows of ``values`` (outer, count, inner) into zeros (outer, length, inner).

    Args:
        values: Rows along the middle axis.
        keys: int32, contiguous: the place of each row, or -1 for none.
        length: What keys are below.
        out: Zeros of 4-byte elements, contiguous.
        skip: A key whose rows are left out.
    """
    row = GpuArray(keys.storage, (1, keys.size), (0, 1), keys.offset, keys.dtype)
    names, order = sort(row, bits=(length - 1).bit_length())
    sorted_sums(values, names, order, length, out, skip)


def line_sums(values: GpuArray, keys: GpuArray, length: int, out: GpuArray) -> None:
    """Add values (1, lines * count, 1) into zeros (1, lines * length, 1).

    Args:
        values: Line after line.
        keys: int32, (lines, count): the place of each value in its own line.
        length: Of a line of ``out``.
        out: Zeros of 4-byte elements, contiguous.
    """
    lines, count = keys.shape
    names, order = sort(keys, bits=(length - 1).bit_length())
    line = iota(lines, keys.device_index)
    line = GpuArray(line.storage, (lines, 1), (1, 0), 0, line.dtype)
    names = elementwise("add", [names, elementwise("mul", [line, length])])
    order = elementwise("add", [order, elementwise("mul", [line, count])])
    sorted_sums(values, names, order, lines * length, out, -1)


def short_line_sums(
    values: GpuArray, index: GpuArray, length: int, out: GpuArray, code: int
) -> None:
    """As :func:`line_sums`, for lines that :func:`is_short` takes.

    Args:
        values: Line after line, contiguous.
        index: int32, (lines, count, 1): the place of each value in its own line.
        length: Of a line of ``out``.
        out: Zeros of 4-byte elements, contiguous.
        code: Of the fault that a place outside is.
    """
    lines, count, _ = index.shape
    span = 1 << (count - 1).bit_length()
    words = (
        *(lines, count, length, index.offset, *index.strides[:2]),
        *(values.offset, out.offset, code),
    )
    groups = plane(-(-lines * span // SPLIT), values.device_index)
    line_pipeline(dtype_name(values.dtype), span).dispatch([index, values, out], words, groups)


def is_short(length: int, count: int) -> bool:
    """Whether a workgroup can sort a line, a place and a position being one number."""
    return count <= SPLIT and length < (1 << 32) // SPLIT


def sorted_sums(
    values: GpuArray, names: GpuArray, order: GpuArray, length: int, out: GpuArray, skip: int
) -> None:
    """Add rows into zeros, in an order that brings equal places together.

    Args:
        values: Rows along the middle axis of (outer, count, inner).
        names: int32, ascending: the places.
        order: int32: the row that goes to each of them.
        length: What places are below.
        out: Zeros of 4-byte elements, contiguous.
        skip: A place whose rows are left out.
    """
    outer, count, inner = values.shape
    vectors = is_vector(values) and out.offset % 4 == 0 and inner % 4 == 0
    width = 4 if vectors else 1
    columns = outer * inner // width
    lanes = lanes_of(columns)
    rows = rows_of(count, columns)
    chunks, strips = -(-count // rows), -(-columns // lanes)
    parts = empty((2 * chunks * columns * width,), out.dtype, values.device_index)
    pipelines = sum_pipelines(dtype_name(values.dtype), vectors, lanes, rows)
    in_out = out.offset // width, length * inner // width
    sizes = count, columns, inner // width
    outer_step, step, inner_step = values.strides
    words = (
        *(*sizes, values.offset, outer_step, step, inner_step * width),
        *(*in_out, skip, chunks, strips),
    )
    groups = plane(-(-chunks // (WORKGROUP // lanes)) * strips, values.device_index)
    pipelines[0].dispatch([names, order, values, out, parts], words, groups)
    if chunks > 1:
        join_words = *sizes, *in_out, skip, chunks, strips
        groups = plane(chunks * strips, values.device_index)
        pipelines[1].dispatch([names, parts, out], join_words, groups)


def is_vector(values: GpuArray) -> bool:
    """Whether every row begins and ends on a vector of 4."""
    outer_step, step, inner_step = values.strides
    starts = values.offset, outer_step, step
    return inner_step == 1 and not any(start % 4 for start in starts)


def lanes_of(columns: int) -> int:
    """Invocations side by side, a power of two."""
    lanes = 1
    while lanes < 64 and lanes < columns:
        lanes *= 2
    return lanes


def rows_of(count: int, columns: int) -> int:
    """Rows that an invocation adds up: few enough to keep all busy, so many that parts are few."""
    rows = 8
    while rows < 64 and count * columns > BUSY * rows:
        rows *= 2
    return rows


@cache
def sum_pipelines(dtype: str, vectors: bool, lanes: int, rows: int) -> tuple[Pipeline, Pipeline]:
    """The variants of ``segment_sums.wgsl`` and ``segment_joins.wgsl``."""
    aliases, prelude = loads_of(2, dtype, vectors)
    constants = {"LANES": lanes, "LENGTH": rows}
    return (
        segment_kernel("segment_sums").variant(prelude=prelude, **constants),
        segment_kernel("segment_joins").variant(prelude=aliases, **constants),
    )


@cache
def place_pipeline(dtype: str, vectors: bool, lanes: int) -> Pipeline:
    """A variant of ``place_sums.wgsl``."""
    return kernel("place_sums").variant(prelude=loads_of(1, dtype, vectors)[1], LANES=lanes)


@cache
def line_pipeline(dtype: str, span: int) -> Pipeline:
    """A variant of ``line_sums.wgsl``."""
    prelude = f"alias T = {REGISTER[dtype]};\n" + declare_loads(1, "values", dtype, False)
    return kernel("line_sums").variant(prelude=prelude, SPAN=span)


def loads_of(binding: int, dtype: str, vectors: bool) -> tuple[str, str]:
    """The alias V, and with it ``load(e)``: the V of ``values`` that begins at element e."""
    register = REGISTER[dtype]
    alias = f"alias V = {f'vec4<{register}>' if vectors else register};\n"
    load = "load_values_vector(e / 4u)" if vectors else "load_values_element(e)"
    loads = declare_loads(binding, "values", dtype, vectors)
    return alias, f"{alias}{loads}fn load(e: u32) -> V {{ return {load}; }}\n"


@cache
def segment_kernel(name: str) -> Kernel:
    """The kernel of ``shaders/NAME.wgsl``, with its loops over rows written out."""
    text = unroll(read_shader(f"{name}.wgsl"), {"AHEAD": AHEAD})
    return Kernel(text, name=name, trusted=True)
