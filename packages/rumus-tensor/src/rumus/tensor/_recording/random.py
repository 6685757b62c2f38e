"""Random numbers, which are constants, and what is dropped by them."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus.autograd._function import Function

from .base import Recording


class DroppedAgain(Function):
    """Another array with the same elements dropped.

    Args:
        draw: What tells which.
        p: Their share.
        scale: Of the others.
    """

    def __init__(self, draw: Any, p: float, scale: float) -> None:
        self.draw, self.p, self.scale = draw, p, scale

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Drop."""
        return be.dropout_again(arrays[0], self.draw, self.p, self.scale)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The same again."""
        return (be.dropout_again(grad, self.draw, self.p, self.scale),)


class Random(Recording):
    """The family's part of the recorder."""

    def dropout_again(self, a: Any, draw: Any, p: float, scale: float) -> Any:
        return DroppedAgain(self.array(draw), p, scale)(self.tensor(a))
