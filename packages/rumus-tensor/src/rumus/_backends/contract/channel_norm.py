"""Normalisation of channels: of a batch, of groups, of instances."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from .kinds import A


class Running(NamedTuple):
    """Running averages that follow the moments of each batch, written in place.

    All lie in row-major order.
    """

    mean: Any
    """float32, of shape (channels,)."""
    var: Any
    """The same."""
    count: Any
    """int32 of one element, or None: one more with each batch."""
    momentum: float
    """The weight of the batch."""


class ChannelNorm(Protocol[A]):
    """Normalisation of arrays of shape (samples, channels, length), computed in float32.

    ``groups`` is 0 where the statistics are those of a channel over the batch; else they are those
    of so many groups of channels of each sample, a divisor of the channels. The number of
    statistics is then ``channels``, or ``samples * groups`` with the groups side by side.
    """

    def channel_moments(self, a: A, groups: int, eps: float, running: Running | None) -> A:
        """float32 ``(mean, 1 / sqrt(variance + eps))``, of shape ``(2, statistics)``.

        ``running`` goes with groups of 0 alone, and takes the variance divided by the number of
        elements less one.
        """
        ...

    def channel_norm_backward(
        self,
        a: A,
        moments: A,
        weight: A | None,
        grad: A,
        groups: int,
        eps: float,
        needs: tuple[bool, bool],
        out: A | None,
        bias_out: A | None,
    ) -> tuple[A | None, A | None, A | None]:
        """Gradients of ``(a - mean) * scale * weight + bias`` for a, weight and bias, float32.

        The first is None unless ``needs[0]``, the others unless ``needs[1]``. These are written to
        ``out`` and ``bias_out``, and these given back; on the GPU only if both are float32 places
        in one storage. ``eps`` is that of the moments.
        """
        ...
