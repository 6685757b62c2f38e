"""Functions that draw random numbers."""

from __future__ import annotations

import math
from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.generator import Generator
from rumus._core.shapes import Shape
from rumus.autograd._function import Function

_LOWEST = -1.7580993408473766
"""What SELU comes to far below 0."""


class Dropout(Function):
    """Zero each element with probability p and scale the others by 1 / (1 - p)."""

    def __init__(self, p: float, generator: Generator) -> None:
        self.p, self.generator = p, generator
        self.scale = 1.0 / (1.0 - p) if p < 1.0 else 0.0

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Draw and drop."""
        y, draw = be.dropout(arrays[0], self.p, self.scale, self.generator)
        if any(self.needs):
            self.draw = draw
        return y

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The same elements, and the same scale."""
        return (be.dropout_again(grad, self.draw, self.p, self.scale),)


class DropoutOfParts(Function):
    """The same of parts of the input, each as a whole.

    Args:
        p: Probability of zero.
        generator: Where the mask is drawn from.
        shape: The mask's, which broadcasts to that of the input.
    """

    def __init__(self, p: float, generator: Generator, shape: Shape) -> None:
        self.p, self.generator, self.shape = p, generator, shape
        self.scale = 1.0 / (1.0 - p) if p < 1.0 else 0.0

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Draw and apply the mask."""
        self.uniform = be.random("uniform", self.shape, self.generator)
        y = be.elementwise("dropout", arrays[0], self.uniform, self.p, self.scale)
        dtype = arrays[0].dtype
        return y if y.dtype == dtype else be.elementwise("cast", y, dtype=dtype)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The same mask and scale."""
        return (be.elementwise("dropout", grad, self.uniform, self.p, self.scale),)


class AlphaDropout(Function):
    """SELU's lowest value in place of elements with probability p, then scaled and moved.

    Args:
        p: From 0 to below 1.
        generator: Where the mask is drawn from.
    """

    def __init__(self, p: float, generator: Generator) -> None:
        self.p, self.generator = p, generator
        self.scale = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * _LOWEST**2))

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Draw and apply the mask."""
        x = arrays[0]
        uniform = be.random("uniform", x.shape, self.generator)
        if any(self.needs):
            self.uniform = uniform
        shift = -self.scale * self.p * _LOWEST
        kept = be.elementwise("add", be.elementwise("mul", x, self.scale), shift)
        mask = be.elementwise("ge", uniform, self.p)
        return be.elementwise("where", mask, kept, self.scale * _LOWEST + shift)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The same mask and scale."""
        return (be.elementwise("dropout", grad, self.uniform, self.p, self.scale),)
