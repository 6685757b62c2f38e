"""Pooling of planes."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus._backends.contract.convolution import Pair
from rumus._backends.contract.pooling import Windows
from rumus.autograd._function import Function

from .._ops.pooling import AvgPool, MaxPool
from .base import Recording


class MaxPoolBackward(Function):
    """The gradient of :class:`MaxPool` as an operation on the gradient of its result."""

    def __init__(self, places: Any, windows: Windows, size: Pair) -> None:
        self.places, self.windows, self.size = places, windows, size

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """To where they were."""
        return be.max_pool_backward(arrays[0], self.places, self.windows, self.size)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """From where they were."""
        return (be.at_places(grad, self.places, self.windows),)


class AtPlaces(Function):
    """The elements of planes at places of max pooling."""

    def __init__(self, places: Any, windows: Windows) -> None:
        self.places, self.windows = places, windows

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Take them."""
        self.size: Pair = arrays[0].shape[2:]
        return be.at_places(arrays[0], self.places, self.windows)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Put them back."""
        return (be.max_pool_backward(grad, self.places, self.windows, self.size),)


class AvgPoolBackward(Function):
    """The adjoint of :class:`AvgPool` as an operation."""

    def __init__(self, windows: Windows, size: Pair) -> None:
        self.windows, self.size = windows, size

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """A share to each."""
        return be.avg_pool_backward(arrays[0], self.windows, self.size)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The mean of each window."""
        return (be.avg_pool(grad, self.windows),)


class Pooling(Recording):
    """The family's part of the recorder."""

    def max_pool(self, x: Any, windows: Windows) -> tuple[Any, Any]:
        pool = MaxPool(windows)
        values: Any = pool(self.tensor(x))
        return values, self.tensor(pool.places)

    def max_pool_backward(self, grad: Any, places: Any, windows: Windows, size: Pair) -> Any:
        return MaxPoolBackward(self.array(places), windows, size)(self.tensor(grad))

    def at_places(self, x: Any, places: Any, windows: Windows) -> Any:
        return AtPlaces(self.array(places), windows)(self.tensor(x))

    def avg_pool(self, x: Any, windows: Windows) -> Any:
        return AvgPool(windows)(self.tensor(x))

    def avg_pool_backward(self, grad: Any, windows: Windows, size: Pair) -> Any:
        return AvgPoolBackward(windows, size)(self.tensor(grad))
