"""Pooling of planes, or of lines as planes of one column."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.contract.convolution import Pair
from rumus._backends.contract.pooling import Windows
from rumus.autograd._function import Function

from .convolution import like, planes


class MaxPool(Function):
    """The largest of each window; the places of these are kept as ``places``."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Look for them."""
        x = planes(be, arrays[0])
        self.size: Pair = x.shape[2:]
        values, self.places = be.max_pool(x, self.windows)
        return like(be, values, arrays[0])

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """To where they were."""
        into = be.max_pool_backward(planes(be, grad), self.places, self.windows, self.size)
        return (like(be, into, grad),)


class AvgPool(Function):
    """The mean of each window."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Add up and divide."""
        x = planes(be, arrays[0])
        self.size: Pair = x.shape[2:]
        return like(be, be.avg_pool(x, self.windows), arrays[0])

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """A share to each."""
        into = be.avg_pool_backward(planes(be, grad), self.windows, self.size)
        return (like(be, into, grad),)
