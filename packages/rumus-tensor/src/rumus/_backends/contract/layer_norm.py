"""Layer normalisation of the rows of a 2-D array."""

from __future__ import annotations

from typing import Protocol

from .kinds import A


class LayerNorm(Protocol[A]):
    """Layer normalisation of the rows of a 2-D array; RMS normalisation unless ``centred``."""

    def layer_norm(
        self, a: A, weight: A | None, bias: A | None, eps: float, centred: bool = True
    ) -> tuple[A, A]:
        """Each row minus its mean, times 1 / sqrt(variance + eps), times weight plus bias.

        Unless ``centred`` the mean is taken for 0. ``weight`` and ``bias`` have shape
        ``(columns,)``; the result is in the common dtype. With it come the float32
        ``(mean, 1 / sqrt(variance + eps))`` of each row, of shape ``(rows, 2)``.
        """
        ...

    def layer_norm_backward(
        self, a: A, moments: A, weight: A | None, grad: A, eps: float, centred: bool = True
    ) -> A:
        """Gradient of :meth:`layer_norm` for ``a``, float32, from what came with the result."""
        ...

    def layer_norm_sums(
        self,
        a: A,
        moments: A,
        grad: A,
        eps: float,
        centred: bool = True,
        out: A | None = None,
        bias_out: A | None = None,
        bias: bool = True,
    ) -> tuple[A, A | None]:
        """Gradients of :meth:`layer_norm` for weight and bias, float32 unless written to ``out``.

        They are written to ``out`` and ``bias_out``, and these given back; on the GPU only if they
        are float32 places in one storage. Unless ``bias``, the second is None.
        """
        ...
