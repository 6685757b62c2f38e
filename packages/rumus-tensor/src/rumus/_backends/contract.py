"""The contract between the operations and the two devices: a table of primitives.

Every differentiable operation is written once, in terms of these primitives; each device
implements them once (``_cpu`` in numpy, ``_gpu`` in WGSL). To add an operation, add a row here
only if no row fits.

An array is the device's own kind (``numpy.ndarray``, :class:`rumus.gpu.GpuArray`). Both have
``shape``, ``dtype`` (a ``numpy.dtype``), ``ndim``, ``size`` and ``nbytes``. Arrays that a primitive
returns are never written to afterwards, except by the in-place rows, so views may share memory.
Shapes and dtypes are checked before a primitive is called; a primitive trusts its arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from .generator import Generator

A = TypeVar("A")
Shape = tuple[int, ...]
Scalar = float | int | bool
Slices = Sequence[slice]


class Backend(Protocol[A]):
    """What a device can do with its arrays."""

    # Host and device

    def from_host(self, array: npt.NDArray[Any]) -> A:
        """Copy a numpy array of a supported dtype to the device."""
        ...

    def to_host(self, a: A) -> npt.NDArray[Any]:
        """Copy an array to the host, waiting for the device."""
        ...

    # Creation

    def full(self, shape: Shape, value: Scalar, dtype: np.dtype[Any]) -> A:
        """An array of one value."""
        ...

    def one(self) -> A:
        """The float32 scalar 1, where backward passes begin: always the same array."""
        ...

    def random(self, kind: str, shape: Shape, generator: Generator) -> A:
        """Float32 numbers, ``"uniform"`` in [0, 1) or ``"normal"``.

        The backend calls ``generator.next()`` once, and once again before every replay of a
        captured step. The formulas are in :mod:`rumus._backends.generator`.
        """
        ...

    # Views: no data is moved where the layout allows it

    def reshape(self, a: A, shape: Shape) -> A:
        """The same elements in row-major order under another shape."""
        ...

    def permute(self, a: A, axes: Sequence[int]) -> A:
        """Axis ``k`` of the result is axis ``axes[k]`` of ``a``."""
        ...

    def expand(self, a: A, shape: Shape) -> A:
        """Broadcast to ``shape`` by numpy's rules."""
        ...

    def slice(self, a: A, index: Slices) -> A:
        """Cut every axis by a slice resolved by ``slice.indices``.

        The step may be negative; then a stop of -1 means "down to the first element".
        """
        ...

    def shares(self, a: A, b: A) -> bool:
        """Whether both arrays use the same memory, as an array and its view do."""
        ...

    # Movement

    def copy(self, a: A) -> A:
        """A contiguous copy."""
        ...

    def contiguous(self, a: A) -> A:
        """The array itself if it is row-major without gaps, else a contiguous copy."""
        ...

    def cat(self, arrays: Sequence[A], axis: int) -> A:
        """Join along an axis; the dtypes are equal."""
        ...

    def pad(self, a: A, shape: Shape, index: Slices) -> A:
        """Zeros of ``shape`` that hold ``a`` at ``index``: the adjoint of :meth:`slice`."""
        ...

    def assign(self, target: A, value: A) -> None:
        """Write ``value`` (of the same shape, any dtype) into ``target``, which may be a view."""
        ...

    def update(self, op: str, target: A, other: A | Scalar) -> None:
        """One row of two arguments, written into its first one, which may be a view.

        ``other`` broadcasts to the shape of ``target`` and uses other memory. The row computes as
        in :meth:`elementwise`, and its result is cast to the dtype of ``target``.
        """
        ...

    # Arithmetic

    def elementwise(self, op: str, *args: A | Scalar, dtype: np.dtype[Any] | None = None) -> A:
        """One row of the elementwise table, with broadcasting.

        Computes in the common dtype of the arguments, as the row's kind in
        :data:`rumus._backends.table.KINDS` says; ``dtype`` is the result's, given for
        ``"cast"`` alone.
        """
        ...

    def reduce(self, op: str, a: A, axes: Sequence[int], keepdims: bool, out: A | None = None) -> A:
        """``"sum"``, ``"mean"``, ``"max"`` or ``"min"`` over axes (sorted, not negative).

        Sums of integers and bools are int32; float16 is accumulated in float32. A mean is a float32
        or float16 sum divided by the number of elements. NaN wins in ``max`` and ``min``. With
        ``out``, contiguous and of the result's shape and dtype, the result is written there and
        ``out`` returned.
        """
        ...

    def arg_reduce(self, op: str, a: A, axis: int) -> A:
        """``"argmax"`` or ``"argmin"``: int32 position of the first extreme; NaN wins."""
        ...

    def matmul(self, a: A, b: A, bias: A | None = None, out: A | None = None) -> A:
        """``(…, m, k) @ (…, k, n) + bias``: two to any axes, batch axes already equal.

        ``bias`` has shape ``(n,)``. With ``out`` the result is written there and ``out`` returned.
        """
        ...

    def matmul_and_sums(
        self, a: A, b: A, out: A | None = None, sums_out: A | None = None
    ) -> tuple[A, A]:
        """``(m, k) @ (k, n)``, and the sums of the rows of ``a``, of shape ``(m,)``.

        With ``out`` or ``sums_out`` that result is written there and given back.
        """
        ...

    # Rows: over the last axis of a 2-D array

    def softmax(self, a: A, log: bool) -> A:
        """Softmax or its logarithm."""
        ...

    def softmax_backward(self, y: A, grad: A, log: bool) -> A:
        """Gradient of :meth:`softmax` from its output."""
        ...

    def layer_norm(self, a: A, weight: A, bias: A, eps: float) -> tuple[A, A]:
        """Each row minus its mean, times 1 / sqrt(variance + eps), times weight plus bias.

        ``weight`` and ``bias`` have shape ``(columns,)``; the result is in the common dtype. With
        it come the float32 ``(mean, 1 / sqrt(variance + eps))`` of each row, of shape
        ``(rows, 2)``.
        """
        ...

    def layer_norm_backward(self, a: A, moments: A, weight: A, grad: A) -> A:
        """Gradient of :meth:`layer_norm` for ``a``, float32, from what came with the result."""
        ...

    def layer_norm_sums(
        self, a: A, moments: A, grad: A, out: A | None, bias_out: A | None
    ) -> tuple[A, A]:
        """Gradients of :meth:`layer_norm` for weight and bias, float32 unless written to ``out``.

        They are written to ``out`` and ``bias_out``, and these given back; on the GPU only if both
        are float32 places in one storage.
        """
        ...

    def cross_entropy(self, logits: A, target: A, ignore_index: int, smoothing: float) -> A:
        """Loss of each row, float32, 0 where ignored; ``target`` is int32 of shape ``(rows,)``.

        A target outside ``[0, classes)`` that is not ``ignore_index`` is an
        :class:`~rumus.tensor.ArgumentError`, on the GPU at the next synchronisation.
        """
        ...

    def mean_of_kept(self, losses: A, target: A, ignore_index: int) -> A:
        """float32 ``(mean, weight)``: of the losses whose target is not ignored, and 1 / count.

        The losses of the ignored rows are 0. Without any other row the mean is NaN.
        """
        ...

    def cross_entropy_backward(
        self, logits: A, target: A, grad: A, ignore_index: int, smoothing: float
    ) -> A:
        """Gradient of :meth:`cross_entropy`; ``grad`` has shape ``(rows,)``."""
        ...
