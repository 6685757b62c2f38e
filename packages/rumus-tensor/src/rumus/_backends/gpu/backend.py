"""The GPU's table of primitives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus import gpu
from rumus._backends.contract import Scalar, Shape, Slices
from rumus._backends.generator import Generator
from rumus.gpu import GpuArray

from . import arg_reduce, layer_norm, matmul, movement, random, reduce, rows
from .elementwise_plan import elementwise, updated
from .kernels import shares
from .layout import broadcast_strides, reshaped_strides


class GpuBackend:
    """Implements :class:`rumus._backends.contract.Backend` for :class:`rumus.gpu.GpuArray`."""

    def __init__(self, index: int) -> None:
        self.index = index

    def from_host(self, array: npt.NDArray[Any]) -> GpuArray:
        return gpu.from_host(array, self.index)

    def to_host(self, a: GpuArray) -> npt.NDArray[Any]:
        return gpu.to_host(movement.contiguous(a))

    def full(self, shape: Shape, value: Scalar, dtype: np.dtype[Any]) -> GpuArray:
        return gpu.full(shape, value, dtype, self.index)

    def one(self) -> GpuArray:
        return self._one

    @cached_property
    def _one(self) -> GpuArray:
        with gpu.outside_capture():
            return gpu.persist(gpu.full((), 1.0, np.float32, self.index))

    def random(self, kind: str, shape: Shape, generator: Generator) -> GpuArray:
        return random.random(kind, shape, generator, self.index)

    def reshape(self, a: GpuArray, shape: Shape) -> GpuArray:
        if a.shape == shape:
            return a
        strides = reshaped_strides(a.shape, a.strides, shape)
        if strides is None:
            return self.reshape(movement.copy(a), shape)
        return GpuArray(a.storage, shape, strides, a.offset, a.dtype)

    def permute(self, a: GpuArray, axes: Sequence[int]) -> GpuArray:
        shape = tuple(a.shape[axis] for axis in axes)
        strides = tuple(a.strides[axis] for axis in axes)
        return GpuArray(a.storage, shape, strides, a.offset, a.dtype)

    def expand(self, a: GpuArray, shape: Shape) -> GpuArray:
        strides = broadcast_strides(a.shape, a.strides, shape)
        return GpuArray(a.storage, shape, strides, a.offset, a.dtype)

    def slice(self, a: GpuArray, index: Slices) -> GpuArray:
        return movement.view(a, index)

    def shares(self, a: GpuArray, b: GpuArray) -> bool:
        return shares(a, b)

    def copy(self, a: GpuArray) -> GpuArray:
        return movement.copy(a)

    def contiguous(self, a: GpuArray) -> GpuArray:
        return movement.contiguous(a)

    def cat(self, arrays: Sequence[GpuArray], axis: int) -> GpuArray:
        return movement.cat(arrays, axis)

    def pad(self, a: GpuArray, shape: Shape, index: Slices) -> GpuArray:
        return movement.pad(a, shape, index)

    def assign(self, target: GpuArray, value: GpuArray) -> None:
        movement.assign(target, value)

    def elementwise(
        self, op: str, *args: GpuArray | Scalar, dtype: np.dtype[Any] | None = None
    ) -> GpuArray:
        return elementwise(op, args, dtype)

    def update(self, op: str, target: GpuArray, other: GpuArray | Scalar) -> None:
        if not updated(op, target, other):
            self.assign(target, self.elementwise(op, target, other))

    def reduce(
        self,
        op: str,
        a: GpuArray,
        axes: Sequence[int],
        keepdims: bool,
        out: GpuArray | None = None,
    ) -> GpuArray:
        return reduce.reduce(op, a, axes, keepdims, out)

    def arg_reduce(self, op: str, a: GpuArray, axis: int) -> GpuArray:
        return arg_reduce.arg_reduce(op, a, axis)

    def matmul(
        self, a: GpuArray, b: GpuArray, bias: GpuArray | None = None, out: GpuArray | None = None
    ) -> GpuArray:
        return matmul.matmul(a, b, bias, out)

    def matmul_and_sums(
        self,
        a: GpuArray,
        b: GpuArray,
        out: GpuArray | None = None,
        sums_out: GpuArray | None = None,
    ) -> tuple[GpuArray, GpuArray]:
        if out is not None and sums_out is not None and matmul.with_sums(a, b, out, sums_out):
            return out, sums_out
        return self.matmul(a, b, out=out), self.reduce("sum", a, (1,), False, sums_out)

    def softmax(self, a: GpuArray, log: bool) -> GpuArray:
        return rows.softmax(a, log)

    def softmax_backward(self, y: GpuArray, grad: GpuArray, log: bool) -> GpuArray:
        return rows.softmax_backward(y, grad, log)

    def layer_norm(
        self, a: GpuArray, weight: GpuArray, bias: GpuArray, eps: float
    ) -> tuple[GpuArray, GpuArray]:
        return layer_norm.layer_norm(a, weight, bias, eps)

    def layer_norm_backward(
        self, a: GpuArray, moments: GpuArray, weight: GpuArray, grad: GpuArray
    ) -> GpuArray:
        return layer_norm.layer_norm_backward(a, moments, weight, grad)

    def layer_norm_sums(
        self,
        a: GpuArray,
        moments: GpuArray,
        grad: GpuArray,
        out: GpuArray | None,
        bias_out: GpuArray | None,
    ) -> tuple[GpuArray, GpuArray]:
        return layer_norm.layer_norm_sums(a, moments, grad, out, bias_out)

    def cross_entropy(
        self, logits: GpuArray, target: GpuArray, ignore_index: int, smoothing: float
    ) -> GpuArray:
        return rows.cross_entropy(logits, target, ignore_index, smoothing)

    def mean_of_kept(self, losses: GpuArray, target: GpuArray, ignore_index: int) -> GpuArray:
        return rows.mean_of_kept(losses, target, ignore_index)

    def cross_entropy_backward(
        self,
        logits: GpuArray,
        target: GpuArray,
        grad: GpuArray,
        ignore_index: int,
        smoothing: float,
    ) -> GpuArray:
        return rows.cross_entropy_backward(logits, target, grad, ignore_index, smoothing)
