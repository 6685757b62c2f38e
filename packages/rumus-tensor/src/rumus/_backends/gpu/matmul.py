"""Matrix products: which operands can be taken as they lie, and the plan for their layouts."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rumus._core.dtypes import DType, float32, int32
from rumus.gpu import GpuArray, Pipeline, empty, full, limits

from .elementwise import elementwise
from .kernels import WORKGROUP, grid, plane, remember, shares
from .layout import Shape, Strides, collapse
from .matmul_chain import ProductChain
from .matmul_source import (
    A_OFFSET,
    B_OFFSET,
    BIAS_OFFSET,
    C_OFFSET,
    PARAMS,
    SPLITS,
    SUMMING_PARAMS,
    N,
    Operand,
    Variant,
    parts_pipeline,
    product_pipeline,
)
from .movement import assign, contiguous, copy
from .reduce import reduce
from .tiles import Choice, choose, turning_pays


class View(NamedTuple):
    """A way to see an array."""

    shape: Shape
    strides: Strides


class Plan(NamedTuple):
    """The kernels of a product, their grid, and their params with 0 for the offsets."""

    copies: tuple[View | None, View | None]
    """What is copied of an operand before it is multiplied."""
    variant: Variant
    pipeline: Pipeline
    groups: tuple[int, int]
    words: tuple[int, ...]
    parts: Pipeline | None
    summing: Pipeline | None
    """What makes the sums of the rows of ``a`` as well."""
    dtype: DType
    shape: Shape


MOST_SUMMED = 4096
"""Values of a row that are added one after the other; longer ones are left to a reduction."""

_plans: dict[tuple[Any, ...], Plan] = {}


def matmul(
    a: GpuArray, b: GpuArray, bias: GpuArray | None = None, out: GpuArray | None = None
) -> GpuArray:
    """See ``Backend.matmul``."""
    dtype = a.dtype
    accumulated = float32 if dtype.kind == "f" else int32
    bias = bias and contiguous(bias)
    shape = (*a.shape[:-1], b.shape[-1])
    fits = (
        out is not None
        and out.dtype == accumulated
        and out.is_contiguous
        and not any(shares(out, given) for given in (a, b, bias) if given is not None)
    )
    result = out if out is not None and fits else empty(shape, accumulated, a.device_index)
    if result.size and a.shape[-1]:
        run_plan(_plan_of(a, b, bias, result), a, b, bias, result)
    elif result.size:
        empty_sum = full(shape, 0, accumulated, a.device_index)
        assign(result, empty_sum if bias is None else elementwise("add", [empty_sum, bias]))
    if out is not None:
        if not fits:
            assign(out, result)
        return out
    return result if dtype == accumulated else elementwise("cast", [result], dtype)


def with_sums(a: GpuArray, b: GpuArray, out: GpuArray, sums_out: GpuArray) -> bool:
    """Write ``a @ b`` and the sums of the rows of ``a`` in one pass, if that pays.

    Both must go into one storage, as gradients in an arena do, for a kernel binds each storage
    once. Large tiles are busy enough: there the additions take as long as another pass.
    """
    if (
        a.dtype != float32
        or not (out.size and a.shape[-1] <= MOST_SUMMED)
        or not (out.is_contiguous and sums_out.is_contiguous and shares(out, sums_out))
        or any(shares(out, given) for given in (a, b))
    ):
        return False
    plan = _plan_of(a, b, None, out)
    if plan.summing is None or sums_out.offset % 4:
        return False
    words = list(plan.words)
    words[A_OFFSET], words[B_OFFSET], words[C_OFFSET] = a.offset, b.offset, out.offset
    plan.summing.dispatch([a, b, out], SUMMING_PARAMS.pack(*words, sums_out.offset), plan.groups)
    return True


def _plan_of(a: GpuArray, b: GpuArray, bias: GpuArray | None, result: GpuArray) -> Plan:
    device = a.storage.device.index
    key = (device, _key(a), _key(b), bias and bias.dtype.num, result.offset & 3, result.dtype.num)
    return _plans.get(key) or remember(_plans, key, make_plan(a, b, bias, result))


def run_plan(plan: Plan, a: GpuArray, b: GpuArray, bias: GpuArray | None, result: GpuArray) -> None:
    """Multiply into a contiguous result by a plan that was made for these layouts."""
    a, b = (_copied(array, view) for array, view in zip((a, b), plan.copies, strict=True))
    words = list(plan.words)
    words[A_OFFSET], words[B_OFFSET] = a.offset, b.offset
    if plan.parts is None:
        words[C_OFFSET] = result.offset
        given = [a, b, result]
        if bias is not None:
            words[BIAS_OFFSET] = bias.offset
            given.insert(2, bias)
        params = PARAMS.pack(*words)
        make = partial(product_pipeline, plan.variant)
        chain = partial(ProductChain.of, make, params, plan.groups, plan.variant.c_vectors, result)
        plan.pipeline.dispatch(given, params, plan.groups, chain)
        return
    splits = words[SPLITS]
    parts = empty((splits, result.size), result.dtype, a.device_index)
    plan.pipeline.dispatch([a, b, parts], PARAMS.pack(*words), plan.groups)
    given = [parts, result] if bias is None else [parts, bias, result]
    sizes = (result.size, splits, words[N], result.offset, bias.offset if bias else 0, 1)
    plan.parts.dispatch(given, sizes, grid(result.size, WORKGROUP, a.device_index))


def _copied(array: GpuArray, view: View | None) -> GpuArray:
    if view is None:
        return array
    return copy(GpuArray(array.storage, *view, array.offset, array.dtype))


def _key(a: GpuArray) -> tuple[Any, ...]:
    return a.shape, a.strides, a.offset & 3, a.dtype.num


def make_plan(
    a: GpuArray,
    b: GpuArray,
    bias: GpuArray | None,
    result: GpuArray,
    choice: Choice | None = None,
) -> Plan:
    """The kernels and their grid; ``choice`` overrides the model's, for measurements."""
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    batches = int(np.prod(a.shape[:-2]))
    first = describe(a.shape, a.strides, a.offset, k_axis=1)
    second = describe(b.shape, b.strides, b.offset, k_axis=0)
    copies = [
        None if way else View(array.shape, array.strides)
        for way, array in ((first, a), (second, b))
    ]
    first = first or Operand(True, m * k, k)
    second = second or Operand(False, k * n, n, not (n % 4 or k * n % 4))
    if m == 1 and first.along_k:
        first = first._replace(step=first.batch)
    if batches > 1 and second.batch == 0 and first.along_k and first.batch == m * first.step:
        m, batches = m * batches, 1  # one matrix for all: its batches are rows
    most = limits(a.device_index)
    choice = choice or choose(
        m,
        n,
        k,
        batches,
        most["max-compute-workgroup-storage-size"],
        most["max-storage-buffer-binding-size"],
    )
    tile, splits, share = choice
    if copies[0] is None and _turns(first, a, batches, m, choice, (m, n)):
        first, copies[0] = turned(first, batches, m, k)
    if copies[1] is None and _turns(second, b, batches, n, choice, (m, n)):
        second, copies[1] = turned(second, batches, n, k)
    edges = first.along_k and m % tile.bm > 0, second.along_k and n % tile.bn > 0
    tiles_m, tiles_n = -(-m // tile.bm), -(-n // tile.bn)
    steps = 0, first.batch, first.step, 0, second.batch, second.step, 0, 0
    words = m, n, k, share, tiles_m, tiles_n, batches, splits, *steps
    c_vectors = not (n % 4 or (splits == 1 and result.offset % 4))
    bias_dtype = str(bias.dtype) if bias is not None else None
    dtypes = str(a.dtype), str(b.dtype)
    fused = bias_dtype if splits == 1 else None
    variant = Variant(tile, dtypes, fused, first, second, c_vectors, edges)
    sums_pay = splits == 1 and batches == 1 and tile.a_chunks == 1
    sums_pay = sums_pay and bias is None and not any(copies)
    return Plan(
        (copies[0], copies[1]),
        variant,
        product_pipeline(variant),
        plane(tiles_m * tiles_n * batches * splits, a.device_index),
        words,
        parts_pipeline(str(result.dtype), bias_dtype) if splits > 1 else None,
        product_pipeline(variant._replace(row_sums=True, c_vectors=c_vectors and not m % 4))
        if sums_pay
        else None,
        result.dtype,
        result.shape,
    )


def _turns(
    operand: Operand, array: GpuArray, batches: int, across: int, choice: Choice, c: tuple[int, int]
) -> bool:
    """Whether an operand is better transposed first: it is then read by vectors."""
    if not operand.along_k or across % 4 or array.dtype.itemsize < 4:
        return False
    shared = batches > 1 and not operand.batch
    return not shared and turning_pays(choice, *c, batches, array.nbytes)


def turned(operand: Operand, batches: int, across: int, k: int) -> tuple[Operand, View]:
    """How the copy of an operand along k lies that is made across k, and what is copied for it."""
    view = View((batches, k, across), (operand.batch, 1, operand.step))
    return Operand(False, k * across, across, vectors=True), view


def describe(shape: Shape, strides: Strides, offset: int, k_axis: int) -> Operand | None:
    """How the kernel walks an operand in place, or None if it must be copied first.

    Args:
        shape: (…, m, k) of the first operand, (…, k, n) of the second.
        strides: in elements.
        offset: of the first element.
        k_axis: which of the last two axes is k.
    """
    dims, (steps,) = collapse(shape[:-2], [strides[:-2]])
    if len(dims) > 1 or min(strides) < 0:
        return None
    batch = steps[0] if dims[0] > 1 else 0
    k, other = shape[k_axis - 2], shape[-1 - k_axis]
    k_step, other_step = strides[k_axis - 2], strides[-1 - k_axis]
    if k == 1 or k_step == 1:
        step = other_step if other > 1 else 0
        return Operand(True, batch, step)
    if other == 1 or other_step == 1:
        vectors = not (other % 4 or k_step % 4 or batch % 4 or offset % 4)
        return Operand(False, batch, k_step, vectors)
    return None


class MatMul:
    """The family's part of the backend."""

    matmul = staticmethod(matmul)

    def matmul_and_sums(
        self,
        a: GpuArray,
        b: GpuArray,
        out: GpuArray | None = None,
        sums_out: GpuArray | None = None,
    ) -> tuple[GpuArray, GpuArray]:
        if out is not None and sums_out is not None and with_sums(a, b, out, sums_out):
            return out, sums_out
        return matmul(a, b, out=out), reduce("sum", a, (1,), False, sums_out)
