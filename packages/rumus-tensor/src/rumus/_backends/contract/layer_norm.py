"""Layer normalisation of the rows of a 2-D array."""

from __future__ import annotations

from typing import Protocol

from .kinds import A


class LayerNorm(Protocol[A]):
    """Layer normalisation of the rows of a 2-D array."""

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
