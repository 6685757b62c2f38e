"""Over the last axis of a 2-D array."""

from __future__ import annotations

from typing import Protocol

from .kinds import A


class Rows(Protocol[A]):
    """Over the last axis of a 2-D array."""

    def softmax(self, a: A, log: bool) -> A:
        """Softmax or its logarithm."""
        ...

    def softmax_backward(self, y: A, grad: A, log: bool) -> A:
        """Gradient of :meth:`softmax` from its output."""
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
