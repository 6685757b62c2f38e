"""Positions of extremes along an axis."""

from __future__ import annotations

from functools import cache

from rumus._core.dtypes import int32
from rumus.gpu import GpuArray, Pipeline, empty

from .kernels import WORKGROUP, kernel, most_groups, plane
from .layout import reduction
from .movement import copy
from .reduce_layout import LONG_SHARE, row_lanes, sequence_of_layouts, single_layout, split
from .wgsl import REGISTER, declare_loads


def arg_reduce(op: str, a: GpuArray, axis: int) -> GpuArray:
    """See ``Backend.arg_reduce``."""
    shape = a.shape[:axis] + a.shape[axis + 1 :]
    output = empty(shape, int32, a.device_index)
    if not output.size:
        return output
    layout = single_layout(*reduction(a.shape, a.strides, [axis]))
    if layout is None:
        a = copy(a)
        layout = sequence_of_layouts(*reduction(a.shape, a.strides, [axis]))[0]
    outer, length, inner, outer_step, step, inner_step = layout
    rows = outer * inner
    lanes = row_lanes(-(-length // 4), rows, step)
    groups = -(-rows * lanes // WORKGROUP)
    splits, share = split(length, groups, 4 * lanes * LONG_SHARE, most_groups(a.device_index))
    steps = outer_step, inner_step, step, a.offset
    plane_of_rows = plane(groups, a.device_index)
    found = output if splits == 1 else empty((splits, rows), int32, a.device_index)
    arg_pipeline(op, str(a.dtype), lanes, False).dispatch(
        [a, found], (rows, inner, length, share, *steps), (*plane_of_rows, splits)
    )
    if splits > 1:
        lanes = row_lanes(-(-splits // 4), rows, 1)
        arg_pipeline(op, str(a.dtype), lanes, True).dispatch(
            [a, found, output],
            (rows, inner, splits, splits, *steps),
            plane(-(-rows * lanes // WORKGROUP), a.device_index),
        )
    return output


@cache
def arg_pipeline(op: str, dtype: str, lanes: int, chooses: bool) -> Pipeline:
    """A variant of ``arg_reduce.wgsl``; ``chooses`` is the second stage."""
    register = REGISTER[dtype]
    source = declare_loads(0, "input", dtype, vectors=False)
    source += f"fn key(value: T) -> u32 {{ return key_{register}(value); }}\n"
    if chooses:
        source += "@group(0) @binding(1) var<storage, read> found: array<i32>;\n"
    place = "u32(found[i * params.rows + row])" if chooses else "i"
    source += (
        f"fn place(i: u32, row: u32) -> u32 {{ return {place}; }}\n"
        f"@group(0) @binding({1 + chooses}) var<storage, read_write> output: array<i32>;\n"
        f"@group(0) @binding({2 + chooses}) var<uniform> params: Params;\n"
    )
    return kernel("arg_reduce").variant(
        prelude=source, T=register, LANES=lanes, LARGEST=op == "argmax"
    )
