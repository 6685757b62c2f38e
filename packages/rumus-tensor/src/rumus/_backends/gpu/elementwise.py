"""Running a row of the elementwise table: the plan for given layouts is made once, then reused."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from rumus._backends.table import KINDS, dtypes_of, negative_exponent
from rumus._core.dtypes import check_scalar, int32
from rumus._core.errors import ArgumentError
from rumus._core.shapes import broadcast_shape
from rumus.gpu import GpuArray, Pipeline, empty
from rumus.gpu._array import contiguous_strides

from .elementwise_source import FRESH, Input, Step, build_source
from .fusion import ElementwiseChain, State, lay_out, operand_of, operands_of
from .kernels import WORKGROUP, fault_kernel, grid, kernel, remember
from .layout import Mode, Shape, broadcast_strides, collapse, store_mode
from .params import params_of
from .wgsl import as_f32

DType = np.dtype[Any]
Argument = GpuArray | State | float | int | bool


class _Plan(NamedTuple):
    pipeline: Pipeline
    inputs: tuple[Input, ...]
    step: Step
    shape: Shape
    dtype: DType
    computes: DType
    groups: int
    packing: struct.Struct
    words: tuple[int, ...]
    """The params, with 0 where an argument's offset or value goes."""
    holes: tuple[tuple[int, int, Mode, str], ...]
    """Position in ``words``, number of the argument, its mode and its dtype."""


_NEGATIVE = negative_exponent("{0}", "{1}"), ArgumentError

_plans: dict[tuple[Any, ...], _Plan] = {}


def elementwise(op: str, args: Sequence[Argument], dtype: DType | None = None) -> GpuArray:
    """A new contiguous array of the row's results; see ``Backend.elementwise``."""
    key = (op, dtype, *map(_key, args))
    plan = _plans.get(key) or remember(_plans, key, _make_plan(op, args, dtype, None))
    if op == "pow" and plan.step.compute == "int32":
        _check_exponents(args[1])
    arrays = _arrays(args)
    output = empty(plan.shape, plan.dtype, arrays[0].device_index)
    _run(plan, arrays, args, output, partial(_chain, plan, args))
    return output


def _arrays(args: Sequence[Argument]) -> list[GpuArray]:
    """What a kernel binds for the arguments."""
    bound = (a.array if isinstance(a, State) else a for a in args)
    return [a for a in bound if isinstance(a, GpuArray)]


def _check_exponents(exponents: Argument) -> None:
    """Let a kernel look for negative ones; a fault tells of the first that it finds."""
    if isinstance(exponents, int | float) and exponents < 0:
        raise ArgumentError(negative_exponent(0, int(exponents)))
    if not isinstance(exponents, GpuArray) or exponents.dtype != np.int32 or not exponents.size:
        return
    whole = exponents if exponents.is_contiguous else elementwise("cast", [exponents], int32)
    groups = grid(whole.size, WORKGROUP, whole.device_index)
    words = whole.size, whole.offset
    exponents_pipeline().dispatch([whole], words, groups)


def exponents_pipeline() -> Pipeline:
    """The kernel that looks for negative exponents of integers."""
    return fault_kernel("check_exponents", _NEGATIVE).variant()


def write(value: GpuArray, target: GpuArray) -> None:
    """Cast a value into a view of the same shape, which lies in another storage.

    Views of 1- and 2-byte elements are taken where :func:`writes_whole_words` says so.
    """
    key = ("cast", _key(value), _key(target))
    plan = _plans.get(key) or remember(
        _plans, key, _make_plan("cast", [value], target.dtype, target)
    )
    _run(plan, [value], [value], target)


def updated(op: str, target: GpuArray, other: Argument) -> bool:
    """Compute a row of two arguments into the first one in one pass, if that can be done.

    It cannot where the row's dtype is another one, or where the target is a view of 1- or 2-byte
    elements that :func:`writes_whole_words` excludes.
    """
    args = [target, other]
    read = [a for a in args if isinstance(a, GpuArray)]
    if _dtypes(op, args, None)[1] != target.dtype or not writes_whole_words(target, *read):
        return False
    key = ("update", op, *map(_key, args))
    plan = _plans.get(key) or remember(_plans, key, _make_plan(op, args, None, target))
    _run(plan, [other] if isinstance(other, GpuArray) else [], args, target)
    return True


def writes_whole_words(target: GpuArray, *read: GpuArray) -> bool:
    """Whether a kernel that reads some arrays, which broadcast, can store whole words into a view.

    If not, it would touch the bytes of the view's neighbours.
    """
    if target.dtype.itemsize == 4:
        return True
    wide = [broadcast_strides(a.shape, a.strides, target.shape) for a in read]
    dims, strides = collapse(target.shape, [*wide, target.strides])
    return store_mode(dims, strides[-1], target.offset).vectors


def _chain(plan: _Plan, args: Sequence[Argument]) -> ElementwiseChain:
    return ElementwiseChain(operands_of(args, plan.inputs), (plan.step,), plan.shape)


def _run(
    plan: _Plan,
    arrays: list[GpuArray],
    args: Sequence[Argument],
    output: GpuArray,
    chain: Callable[[], ElementwiseChain] | None = None,
) -> None:
    if not output.size:
        return
    given: list[Any] = [*args, output]
    words: list[float] = list(plan.words)
    for position, number, mode, kind in plan.holes:
        argument = given[number]
        if mode is not Mode.PARAM:
            words[position] = argument.offset
        else:
            check_scalar(plan.step.op, argument, plan.computes)
            words[position] = as_f32(argument) if kind == "float32" else int(argument)
    plan.pipeline.dispatch([*arrays, output], plan.packing.pack(*words), plan.groups, chain)


def _key(argument: Argument) -> Any:
    if isinstance(argument, GpuArray):
        return argument.shape, argument.strides, argument.offset & 3, argument.dtype.num
    return type(argument)


def _make_plan(
    op: str, args: Sequence[Argument], dtype: DType | None, target: GpuArray | None
) -> _Plan:
    compute, answer = _dtypes(op, args, dtype)
    shape = broadcast_shape(op, *[a.shape for a in args if isinstance(a, GpuArray)])
    # Numbers are looked at when the plan runs
    given = [a if isinstance(a, GpuArray | State) else 0.0 for a in args]
    operands = [
        operand_of(g, _number_dtype(op, a, compute)) for g, a in zip(given, args, strict=True)
    ]
    layout = contiguous_strides(shape) if target is None else target.strides
    inputs, walks, dims, steps = lay_out(operands, shape, layout)
    stores = FRESH if target is None else store_mode(dims, steps, target.offset)
    if args[0] is target:
        inputs[0], walks[0] = Input(str(target.dtype), Mode.GIVEN), ()
    walks.append(steps if stores.walks else ())
    step = Step(op, tuple(range(len(args))), str(compute), str(answer))
    source = build_source(inputs, [step], len(dims), stores)
    size = prod(shape)
    return _Plan(
        kernel("elementwise").variant(prelude=source),
        tuple(inputs),
        step,
        shape,
        answer,
        np.dtype(compute),
        grid(-(-size // 4), WORKGROUP, _arrays(args)[0].device_index),
        *params_of(size, dims, [*inputs, Input(str(answer), stores)], walks),
    )


def _number_dtype(op: str, number: Argument, compute: DType) -> str:
    """The dtype in which a kernel gets a Python number."""
    whole = compute.kind != "f" or (KINDS[op] == "logical" and type(number) is not float)
    return "int32" if whole else "float32"


def _dtypes(op: str, args: Sequence[Argument], dtype: DType | None) -> tuple[DType, DType]:
    if dtype is not None:
        return dtype, dtype
    return dtypes_of(op, [_kind(a) for a in args])


def _kind(argument: Argument) -> DType | type:
    """What an argument counts as in promotion; drawn numbers as a Python number."""
    if isinstance(argument, GpuArray):
        return argument.dtype
    return float if isinstance(argument, State) else type(argument)


class Elementwise:
    """The family's part of the backend."""

    def elementwise(self, op: str, *args: Argument, dtype: DType | None = None) -> GpuArray:
        return elementwise(op, args, dtype)
