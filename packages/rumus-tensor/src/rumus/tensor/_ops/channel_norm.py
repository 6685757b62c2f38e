"""Normalisation of channels: by the statistics of a batch or of groups, or by averages."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from rumus._backends.contract import Backend
from rumus._backends.contract.channel_norm import Running
from rumus._core.shapes import Shape
from rumus.autograd._function import Function


class _Channels(Function):
    """What both have: x of shape (samples, channels, …), and maybe weight and bias of channels.

    Args:
        affine: Whether there is a weight, and whether there is a bias, after x.
    """

    def __init__(self, affine: tuple[bool, bool]) -> None:
        self.affine = affine

    def _named(self, given: tuple[Any, ...]) -> tuple[Any, Any, Any]:
        """What belongs to x, weight and bias; None where there is none."""
        rest = iter(given[1:])
        return given[0], *(next(rest) if has else None for has in self.affine)

    def _given(self, *grads: Any) -> tuple[Any | None, ...]:
        """Of the gradients of x, weight and bias those of the inputs."""
        given = (True, *self.affine)
        return tuple(grad for grad, has in zip(grads, given, strict=True) if has)

    def _normalised(
        self, be: Backend[Any], arrays: tuple[Any, ...], mean: Any, scale: Any, groups: int
    ) -> Any:
        """``(x - mean) * scale * weight + bias``, rounded once."""
        x, weight, bias = self._named(arrays)
        samples, channels = x.shape[:2]
        length = prod(x.shape[2:])
        shape: Shape = (samples, channels, length)
        moment: Shape = (channels, 1)
        line: Shape = (channels, 1)
        if groups:
            shape = (samples, groups, channels // groups, length)
            moment, line = (samples, groups, 1, 1), (groups, channels // groups, 1)
        y = be.elementwise(
            "normalize",
            be.reshape(x, shape),
            be.reshape(mean, moment),
            be.reshape(scale, moment),
            1.0 if weight is None else be.reshape(weight, line),
            0.0 if bias is None else be.reshape(bias, line),
        )
        dtype = np.result_type(*(array.dtype for array in arrays))
        y = y if y.dtype == dtype else be.elementwise("cast", y, dtype=dtype)
        return be.reshape(y, x.shape)


class ChannelNorm(_Channels):
    """Channels normalised by statistics of x itself: of a batch, or of groups of each sample.

    Args:
        groups: 0 for the statistics of each channel over the batch; else so many groups of
            channels, each with the statistics of each sample.
        eps: Added to the variance.
        affine: Whether there is a weight, and whether there is a bias.
        running: Averages that follow the statistics of a batch, in place.
    """

    def __init__(
        self, groups: int, eps: float, affine: tuple[bool, bool], running: Running | None = None
    ) -> None:
        super().__init__(affine)
        self.groups, self.eps, self.running = groups, eps, running

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """One pass for the statistics, one for the result."""
        if self.needs:
            self.saves = (0, 1) if self.affine[0] and self.needs[0] else (0,)
        flat = self._flat(be, arrays[0])
        self.moments = be.channel_moments(flat, self.groups, self.eps, self.running)
        self.running = None
        whole = slice(0, self.moments.shape[1], 1)
        mean, scale = (be.slice(self.moments, (slice(i, i + 1, 1), whole)) for i in (0, 1))
        return self._normalised(be, arrays, mean, scale, self.groups)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """One pass for the sums, one for x."""
        for_x, for_weight, for_bias = self._named(self.wanted)
        weight = self.saved[1] if len(self.saved) > 1 else None
        slots = [
            self.slot(at) if need else None
            for at, need in ((1, for_weight), (1 + self.affine[0], for_bias))
        ]
        into_x, into_weight, into_bias = be.channel_norm_backward(
            self._flat(be, self.saved[0]),
            self.moments,
            weight,
            self._flat(be, grad),
            self.groups,
            self.eps,
            (bool(for_x), bool(for_weight or for_bias)),
            *slots,
        )
        into_x = None if into_x is None else be.reshape(into_x, grad.shape)
        return self._given(
            into_x, into_weight if for_weight else None, into_bias if for_bias else None
        )

    def _flat(self, be: Backend[Any], a: Any) -> Any:
        """As (samples, channels, length)."""
        return be.reshape(a, (*a.shape[:2], prod(a.shape[2:])))


class AveragedNorm(_Channels):
    """Channels normalised by averages that are no part of the graph, as in evaluation.

    The inputs are x, maybe weight and bias, and then the mean and the variance.

    Args:
        eps: Added to the variance.
        affine: Whether there is a weight, and whether there is a bias.
    """

    def __init__(self, eps: float, affine: tuple[bool, bool]) -> None:
        super().__init__(affine)
        self.eps = eps

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """One pass."""
        *inputs, mean, var = arrays
        if self.needs:
            for_x, for_weight, _ = self._named(self.needs)
            self.saves = (0,) * bool(for_weight) + (1,) * bool(for_x and self.affine[0])
            self.saves = (*self.saves, len(inputs), len(inputs) + 1)
        scale = self._scale(be, var)
        return self._normalised(be, tuple(inputs), mean, scale, 0)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """A multiple of the gradient, and sums over it."""
        for_x, for_weight, for_bias = self._named(self.wanted)
        *inputs, mean, var = self.saved
        channels: Shape = (grad.shape[1], *(1,) * (grad.ndim - 2))
        axes = tuple(k for k in range(grad.ndim) if k != 1)
        scale = be.reshape(self._scale(be, var), channels)
        into_x = into_weight = into_bias = None
        if for_x:
            by = scale
            if self.affine[0]:
                by = be.elementwise("mul", scale, be.reshape(inputs[-1], channels))
            into_x = be.elementwise("mul", grad, by)
        if for_weight:
            apart = be.elementwise("sub", inputs[0], be.reshape(mean, channels))
            apart = be.elementwise("mul", be.elementwise("mul", apart, scale), grad)
            into_weight = be.reduce("sum", apart, axes, False)
        if for_bias:
            into_bias = be.reduce("sum", grad, axes, False)
        return *self._given(into_x, into_weight, into_bias), None, None

    def _scale(self, be: Backend[Any], var: Any) -> Any:
        return be.elementwise("rsqrt", be.elementwise("add", var, self.eps))
