"""Functions that draw random numbers."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.generator import Generator
from rumus.autograd._function import Function


class Dropout(Function):
    """Zero each element with probability p and scale the others by 1 / (1 - p)."""

    def __init__(self, p: float, generator: Generator) -> None:
        self.p, self.scale, self.generator = p, 1.0 / (1.0 - p), generator

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Draw and apply the mask."""
        uniform = be.random("uniform", arrays[0].shape, self.generator)
        if any(self.needs):
            self.uniform = uniform
        y = be.elementwise("dropout", arrays[0], uniform, self.p, self.scale)
        dtype = arrays[0].dtype
        return y if y.dtype == dtype else be.elementwise("cast", y, dtype=dtype)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The same mask and scale."""
        return (be.elementwise("dropout", grad, self.uniform, self.p, self.scale),)
