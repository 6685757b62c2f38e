"""Reductions: which kernel, how many workgroups, in how many stages.

A reduction over one group of axes is rows (``reduce_rows.wgsl``) or columns
(``reduce_columns.wgsl``); few and long ones are split over the reduced axis, and a second stage
reduces the parts. Several groups of axes are reduced one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import inf, nan, prod
from typing import Any, NamedTuple

from rumus._core.dtypes import DType, float32, int32
from rumus.gpu import GpuArray, Pipeline, empty, full
from rumus.gpu._array import contiguous_strides

from .elementwise import elementwise
from .kernels import WORKGROUP, kernel, most_groups, plane, remember, shares
from .layout import Shape, reduction
from .movement import assign, copy
from .reduce_arg import arg_reduce
from .reduce_layout import (
    LONG_SHARE,
    Layout,
    column_width,
    row_lanes,
    sequence_of_layouts,
    single_layout,
    split,
)
from .wgsl import REGISTER, declare_loads, math_source

_COMBINE = {
    "sum": "a + b",
    "prod": "a * b",
    "max": "maximum_{0}(a, b)",
    "min": "minimum_{0}(a, b)",
}
_IDENTITY: dict[tuple[str, str], float] = {
    ("sum", "f32"): 0.0,
    ("sum", "i32"): 0,
    ("prod", "f32"): 1.0,
    ("prod", "i32"): 1,
    ("max", "f32"): -inf,
    ("max", "i32"): -(2**31),
    ("min", "f32"): inf,
    ("min", "i32"): 2**31 - 1,
}


class _Stage(NamedTuple):
    pipeline: Pipeline
    groups: tuple[int, int, int]
    words: tuple[float, ...]
    """The params, with 0 for the offset."""
    offset_at: int
    """Where the input's offset goes in them; the output's comes next."""
    size: int
    dtype: DType


class _Plan(NamedTuple):
    copies: bool
    stages: tuple[_Stage, ...]
    """Empty where there is nothing to reduce."""
    dtype: DType
    shape: Shape


_plans: dict[tuple[Any, ...], _Plan] = {}


def reduce(
    op: str, a: GpuArray, axes: Sequence[int], keepdims: bool, out: GpuArray | None = None
) -> GpuArray:
    """See ``Backend.reduce``."""
    key = op, a.shape, a.strides, tuple(axes), a.offset & 3, a.dtype.num, keepdims
    plan = _plans.get(key) or remember(_plans, key, _make_plan(op, a, axes, keepdims))
    if not plan.stages:
        nothing = nan if op == "mean" else int(op == "prod")
        result = full(plan.shape, nothing, plan.dtype, a.device_index)
        return _delivered(result, out)
    current = copy(a) if plan.copies else a
    last = plan.stages[-1]
    for stage in plan.stages:
        direct = stage is last and out is not None and out.dtype == stage.dtype
        if direct and out is not None and not shares(out, current):
            output = out
        else:
            output = empty(
                plan.shape if stage is last else (stage.size,), stage.dtype, a.device_index
            )
        words = list(stage.words)
        words[stage.offset_at], words[stage.offset_at + 1] = current.offset, output.offset
        stage.pipeline.dispatch([current, output], words, stage.groups)
        current = output
    if current.dtype != plan.dtype:
        current = elementwise("cast", [current], plan.dtype)
    return _delivered(current, out)


def _delivered(result: GpuArray, out: GpuArray | None) -> GpuArray:
    if out is None or result is out:
        return result
    assign(out, result)
    return out


def _make_plan(op: str, a: GpuArray, axes: Sequence[int], keepdims: bool) -> _Plan:
    shape = tuple(
        1 if axis in axes else length
        for axis, length in enumerate(a.shape)
        if keepdims or axis not in axes
    )
    register = REGISTER[str(a.dtype)]
    wide = float32 if register == "f32" else int32
    answer = wide if op in ("sum", "prod") and a.dtype.kind != "f" else a.dtype
    if a.size == 0:
        return _Plan(False, (), answer, shape)
    layouts, copies = [], False
    found = single_layout(*reduction(a.shape, a.strides, axes))
    if found is None:
        copies = True
        layouts = sequence_of_layouts(*reduction(a.shape, contiguous_strides(a.shape), axes))
    else:
        layouts = [found]
    count = float(prod(a.shape[axis] for axis in axes))
    stages: list[_Stage] = []
    dtype, offset = a.dtype, 0 if copies else a.offset
    for number, layout in enumerate(layouts):
        last = number == len(layouts) - 1
        divisor = count if last and op == "mean" else None
        stages += _stages(op, layout, dtype, offset, divisor, a.device_index)
        dtype, offset = wide, 0
    return _Plan(copies, tuple(stages), answer, shape)


def _stages(
    op: str, layout: Layout, dtype: DType, offset: int, count: float | None, index: int
) -> list[_Stage]:
    columns = layout.inner > 1 and layout.inner_step == 1 and layout.step != 1
    make = _columns if columns else _rows
    first, splits = make(op, layout, str(dtype), offset, count, index)
    if splits == 1:
        return [first]
    kept = layout.outer * layout.inner
    parts = Layout(1, splits, kept, 0, kept, 1 if kept > 1 else 0)
    return [first, *_stages(op, parts, first.dtype, 0, count, index)]


def _rows(
    op: str, layout: Layout, dtype: str, offset: int, count: float | None, index: int
) -> tuple[_Stage, int]:
    outer, length, inner, outer_step, step, inner_step = layout
    rows = outer * inner
    aligned = not any(
        number % 4
        for number in (
            length, offset, outer_step if outer > 1 else 0, inner_step if inner > 1 else 0
        )
    )  # fmt: skip
    vectors = step == 1 and aligned
    lanes = row_lanes(-(-length // 4), rows, step)
    groups = -(-rows * lanes // WORKGROUP)
    splits, share = split(length, groups, 4 * lanes * LONG_SHARE, most_groups(index))
    words = [rows, inner, length, share, outer_step, inner_step, step, 0, 0, count or 1.0]
    compiled = pipeline("reduce_rows", op, dtype, vectors, bool(count) and splits == 1, lanes)
    return _stage(
        compiled, op, dtype, (*plane(groups, index), splits), words, 7, rows * splits
    ), splits


def _columns(
    op: str, layout: Layout, dtype: str, offset: int, count: float | None, index: int
) -> tuple[_Stage, int]:
    outer, length, inner, outer_step, step, _ = layout
    vectors = not any(n % 4 for n in (inner, offset, step, outer_step if outer > 1 else 0))
    width = column_width(inner, outer * length)
    strips = -(-inner // (4 * width))
    groups = outer * strips
    splits, share = split(length, groups, WORKGROUP // width * LONG_SHARE, most_groups(index))
    words = [outer, inner, length, share, outer_step, step, 0, 0, strips, count or 1.0]
    compiled = pipeline("reduce_columns", op, dtype, vectors, bool(count) and splits == 1, width)
    size = outer * inner * splits
    return _stage(compiled, op, dtype, (*plane(groups, index), splits), words, 6, size), splits


def _stage(
    pipeline: Pipeline,
    op: str,
    dtype: str,
    groups: tuple[int, int, int],
    words: Sequence[float],
    offset_at: int,
    size: int,
) -> _Stage:
    register = REGISTER[dtype]
    identity = _IDENTITY["sum" if op == "mean" else op, register]
    wide = float32 if register == "f32" else int32
    return _Stage(pipeline, groups, (*words, identity), offset_at, size, wide)


@cache
def pipeline(name: str, op: str, dtype: str, vectors: bool, mean: bool, width: int) -> Pipeline:
    """A variant of ``reduce_rows.wgsl`` or ``reduce_columns.wgsl``, ``width`` invocations wide."""
    source = combine_source(op, dtype, vectors, mean)
    register = REGISTER[dtype]
    if name == "reduce_rows":
        return kernel(name).variant(prelude=source, T=register, LANES=width, VECTORS=vectors)
    return kernel(name).variant(prelude=source, T=register, WIDTH=width, VECTORS=vectors)


def combine_source(op: str, dtype: str, vectors: bool, mean: bool) -> str:
    """The prelude of a reduction: its input, ``combine`` and ``finish``."""
    register = REGISTER[dtype]
    expression = _COMBINE["sum" if op == "mean" else op].format(register)
    finish = "value / params.count" if mean else "value"
    return (
        math_source("math")
        + declare_loads(0, "input", dtype, vectors)
        + f"fn combine(a: vec4<T>, b: vec4<T>) -> vec4<T> {{ return {expression}; }}\n"
        + f"fn finish(value: T) -> T {{ return {finish}; }}\n"
    )


class Reduce:
    """The family's part of the backend."""

    reduce = staticmethod(reduce)
    arg_reduce = staticmethod(arg_reduce)
