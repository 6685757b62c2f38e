"""Padding with a constant."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus.autograd._function import Function


class ConstantPad(Function):
    """A number around an array.

    Args:
        sides: How often in front and behind, of each axis.
        value: The number.
    """

    def __init__(self, sides: tuple[tuple[int, int], ...], value: float) -> None:
        self.sides, self.value = sides, value

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Put the array into a larger one."""
        (a,) = arrays
        pairs = list(zip(a.shape, self.sides, strict=True))
        shape = tuple(front + n + behind for n, (front, behind) in pairs)
        self.index = tuple(slice(front, front + n, 1) for n, (front, _) in pairs)
        if self.value == 0:
            return be.pad(a, shape, self.index)
        whole = be.full(shape, self.value, a.dtype)
        be.assign(be.slice(whole, self.index), a)
        return whole

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The part that was there."""
        return (be.slice(grad, self.index),)
