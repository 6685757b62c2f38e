"""Normalisation of channels."""

from __future__ import annotations

from math import prod
from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.contract.channel_norm import Running
from rumus._core.dtypes import float32
from rumus._core.shapes import Shape
from rumus.autograd._function import Function

from .base import Recording


class ChannelMoments(Function):
    """Known ``(mean, 1 / sqrt(variance + eps))`` of statistics, as what they are of the input.

    Args:
        moments: The numbers, of shape (2, statistics).
        groups: 0 for statistics of a batch, else those of groups of channels.
    """

    saves = (0,)
    saves_output = True

    def __init__(self, moments: Any, groups: int) -> None:
        self.moments, self.groups = moments, groups

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """The moments as they are."""
        return be.copy(self.moments)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """``(g_mean - g_scale * scale**3 * (a - mean)) / count``."""
        a = be.elementwise("cast", self.saved[0], dtype=float32)
        shape, kept = shapes_of(a.shape, self.groups)
        mean, scale, for_mean, for_scale = (
            be.reshape(be.slice(of, (slice(k, k + 1, 1), slice(0, of.shape[1], 1))), kept)
            for of in (self.output, grad)
            for k in (0, 1)
        )
        one = prod(kept) / prod(shape)
        cube = be.elementwise("mul", be.elementwise("pow", scale, 3), -one)
        apart = be.elementwise("sub", be.reshape(a, shape), mean)
        from_scale = be.elementwise("mul", apart, be.elementwise("mul", for_scale, cube))
        from_mean = be.elementwise("mul", for_mean, one)
        return (be.reshape(be.elementwise("add", from_scale, from_mean), a.shape),)


class ChannelNorm(Recording):
    """The family's part of the recorder."""

    def channel_moments(self, a: Any, groups: int, eps: float, running: Running | None) -> Any:
        moments = self.primitives.channel_moments(self.array(a), groups, eps, running)
        return ChannelMoments(moments, groups)(self.tensor(a))

    def channel_norm_backward(
        self,
        a: Any,
        moments: Any,
        weight: Any,
        grad: Any,
        groups: int,
        eps: float,
        needs: tuple[bool, bool],
        out: None,
        bias_out: None,
    ) -> tuple[Any, Any, Any]:
        a, g = self.tensor(a), self.tensor(grad).to(float32)
        known = ChannelMoments(self.array(moments), groups)(a)
        shape, kept = shapes_of(a.shape, groups)
        mean, scale = known[0].reshape(kept), known[1].reshape(kept)
        n = (a.to(float32).reshape(shape) - mean) * scale
        dots = sums = into_a = None
        if needs[1]:
            dots, sums = (g * n.reshape(a.shape)).sum((0, 2)), g.sum((0, 2))
        if needs[0]:
            w = g if weight is None else g * self.tensor(weight).reshape(-1, 1)
            w = w.reshape(shape)
            axes = tuple(k for k, length in enumerate(kept) if length == 1)
            along = n * (w * n).mean(axes, keepdims=True)
            into_a = ((w - w.mean(axes, keepdims=True) - along) * scale).reshape(a.shape)
        return into_a, dots, sums


def shapes_of(shape: Shape, groups: int) -> tuple[Shape, Shape]:
    """The input's shape with statistics apart, and theirs, which broadcasts to it."""
    samples, channels, length = shape
    if groups == 0:
        return shape, (1, channels, 1)
    return (samples, groups, channels // groups * length), (samples, groups, 1)
