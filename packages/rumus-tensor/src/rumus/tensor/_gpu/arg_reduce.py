"""Positions of extremes along an axis."""

from __future__ import annotations

from functools import cache

from rumus.gpu import GpuArray, Pipeline, empty
from rumus.tensor._elementwise import int32

from .kernels import WORKGROUP, kernel, plane
from .layout import reduction
from .movement import copy
from .reduce_layout import row_lanes, sequence_of_layouts, single_layout
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
    lanes = row_lanes(-(-length // 4), outer * inner, step)
    words = (outer * inner, inner, length, outer_step, inner_step, step, a.offset)
    compiled = arg_pipeline(op, str(a.dtype), lanes)
    compiled.dispatch(
        [a, output], words, plane(-(-outer * inner * lanes // WORKGROUP), a.device_index)
    )
    return output


@cache
def arg_pipeline(op: str, dtype: str, lanes: int) -> Pipeline:
    """A variant of ``arg_reduce.wgsl``."""
    register = REGISTER[dtype]
    source = declare_loads(0, "input", dtype, vectors=False)
    source += f"fn key(value: T) -> u32 {{ return key_{register}(value); }}\n"
    return kernel("arg_reduce").variant(
        prelude=source, T=register, LANES=lanes, LARGEST=op == "argmax"
    )
