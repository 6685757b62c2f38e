"""The CPU's table of primitives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._backends.contract import Scalar, Shape, Slices
from rumus._backends.generator import Generator

from . import elementwise, layer_norm, matmul, movement, random, reduce, rows

Array = npt.NDArray[Any]

_ONE: Array = np.ones((), np.float32)
_ONE.flags.writeable = False


class CpuBackend:
    """Implements :class:`rumus._backends.contract.Backend` for ``numpy.ndarray``."""

    def from_host(self, array: Array) -> Array:
        return np.array(array, order="C")

    def to_host(self, a: Array) -> Array:
        return np.array(a, order="C")

    def full(self, shape: Shape, value: Scalar, dtype: np.dtype[Any]) -> Array:
        return np.full(shape, value, dtype)

    def one(self) -> Array:
        return _ONE

    def random(self, kind: str, shape: Shape, generator: Generator) -> Array:
        return random.random(kind, shape, *generator.next())

    def reshape(self, a: Array, shape: Shape) -> Array:
        return a.reshape(shape)

    def permute(self, a: Array, axes: Sequence[int]) -> Array:
        return a.transpose(axes)

    def expand(self, a: Array, shape: Shape) -> Array:
        return np.broadcast_to(a, shape)

    def slice(self, a: Array, index: Slices) -> Array:
        return movement.cut(a, index)

    def shares(self, a: Array, b: Array) -> bool:
        return movement.root(a) is movement.root(b)

    def copy(self, a: Array) -> Array:
        return np.array(a, order="C")

    def contiguous(self, a: Array) -> Array:
        return a if a.flags.c_contiguous else np.array(a, order="C")

    def cat(self, arrays: Sequence[Array], axis: int) -> Array:
        return np.concatenate(arrays, axis)

    def pad(self, a: Array, shape: Shape, index: Slices) -> Array:
        return movement.pad(a, shape, index)

    def assign(self, target: Array, value: Array) -> None:
        movement.assign(target, value)

    def elementwise(
        self, op: str, *args: Array | Scalar, dtype: np.dtype[Any] | None = None
    ) -> Array:
        return elementwise.elementwise(op, args, dtype)

    def update(self, op: str, target: Array, other: Array | Scalar) -> None:
        if not elementwise.updated(op, target, other):
            self.assign(target, self.elementwise(op, target, other))

    def reduce(
        self, op: str, a: Array, axes: Sequence[int], keepdims: bool, out: Array | None = None
    ) -> Array:
        result = reduce.reduce(op, a, tuple(axes), keepdims)
        return result if out is None else movement.written(out, result)

    def arg_reduce(self, op: str, a: Array, axis: int) -> Array:
        return reduce.arg_reduce(op, a, axis)

    def matmul(
        self, a: Array, b: Array, bias: Array | None = None, out: Array | None = None
    ) -> Array:
        return matmul.matmul(a, b, bias, out)

    def matmul_and_sums(
        self, a: Array, b: Array, out: Array | None = None, sums_out: Array | None = None
    ) -> tuple[Array, Array]:
        return self.matmul(a, b, out=out), self.reduce("sum", a, (1,), False, sums_out)

    def softmax(self, a: Array, log: bool) -> Array:
        return rows.softmax(a, log)

    def softmax_backward(self, y: Array, grad: Array, log: bool) -> Array:
        return rows.softmax_backward(y, grad, log)

    def layer_norm(self, a: Array, weight: Array, bias: Array, eps: float) -> tuple[Array, Array]:
        return layer_norm.layer_norm(a, weight, bias, eps)

    def layer_norm_backward(self, a: Array, moments: Array, weight: Array, grad: Array) -> Array:
        return layer_norm.layer_norm_backward(a, moments, weight, grad)

    def layer_norm_sums(
        self,
        a: Array,
        moments: Array,
        grad: Array,
        out: Array | None,
        bias_out: Array | None,
    ) -> tuple[Array, Array]:
        sums, bias_sums = layer_norm.layer_norm_sums(a, moments, grad)
        return (
            sums if out is None else movement.written(out, sums),
            bias_sums if bias_out is None else movement.written(bias_out, bias_sums),
        )

    def cross_entropy(
        self, logits: Array, target: Array, ignore_index: int, smoothing: float
    ) -> Array:
        return rows.cross_entropy(logits, target, ignore_index, smoothing)

    def mean_of_kept(self, losses: Array, target: Array, ignore_index: int) -> Array:
        return rows.mean_of_kept(losses, target, ignore_index)

    def cross_entropy_backward(
        self, logits: Array, target: Array, grad: Array, ignore_index: int, smoothing: float
    ) -> Array:
        return rows.cross_entropy_backward(logits, target, grad, ignore_index, smoothing)
