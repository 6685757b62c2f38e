"""Sums of rows that share a key, by a stable sort: the same in every run."""

from __future__ import annotations

from functools import cache

import numpy as np

from rumus.gpu import GpuArray, Kernel, Pipeline, empty, from_host, to_host

from .kernels import WORKGROUP, plane
from .unroll import unroll
from .wgsl import REGISTER, declare_loads, dtype_name, read_shader

AHEAD = 4
"""Rows that an invocation has on their way at a time."""
BUSY = 1 << 18
"""Invocations that keep a large GPU's memory busy."""


def segment_sums(values: GpuArray, keys: GpuArray, length: int, out: GpuArray, skip: int) -> None:
    """Add the rows of ``values`` (outer, count, inner) into zeros (outer, length, inner).

    Args:
        values: Rows along the middle axis.
        keys: int32, contiguous: the place of each row, or -1 for none.
        length: What keys are below.
        out: Zeros of 4-byte elements, contiguous.
        skip: A key whose rows are left out.
    """
    order = stable_order(keys, length)
    names = taken(keys, order)
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


def stable_order(keys: GpuArray, length: int) -> GpuArray:
    """int32 positions that sort the keys, equal ones in their order."""
    host = to_host(keys).reshape(-1)
    return from_host(np.argsort(host, kind="stable").astype(np.int32), keys.device_index)


def taken(keys: GpuArray, order: GpuArray) -> GpuArray:
    host = to_host(keys).reshape(-1)
    return from_host(host[to_host(order)], keys.device_index)


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
    register = REGISTER[dtype]
    kind = f"vec4<{register}>" if vectors else register
    aliases = f"alias V = {kind};\n"
    load = "load_values_vector(at / 4u)" if vectors else "load_values_element(at)"
    loads = declare_loads(2, "values", dtype, vectors)
    prelude = f"{aliases}{loads}fn load(at: u32) -> V {{ return {load}; }}\n"
    constants = {"LANES": lanes, "LENGTH": rows}
    return (
        segment_kernel("segment_sums").variant(prelude=prelude, **constants),
        segment_kernel("segment_joins").variant(prelude=aliases, **constants),
    )


@cache
def segment_kernel(name: str) -> Kernel:
    """The kernel of ``shaders/NAME.wgsl``, with its loops over rows written out."""
    text = unroll(read_shader(f"{name}.wgsl"), {"AHEAD": AHEAD})
    return Kernel(text, name=name, trusted=True)
