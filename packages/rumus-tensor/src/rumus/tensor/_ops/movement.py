"""Views and movement: reshape, permute, expand, slice, join, copy, convert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rumus._backends.contract import Backend
from rumus._backends.registry import backend_of
from rumus._core.devices import Device
from rumus._core.shapes import Shape, check_axes
from rumus.autograd._function import Function

from .elementwise import sum_to


class Reshape(Function):
    """The same elements under another shape; a view where the layout allows it."""

    def __init__(self, shape: Shape) -> None:
        check_axes("reshape", shape)
        self.shape = shape

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Reshape."""
        self.before: Shape = arrays[0].shape
        result = be.reshape(arrays[0], self.shape)
        self.is_view = be.shares(arrays[0], result)
        return result

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Reshape back."""
        return (be.reshape(grad, self.before),)


class Permute(Function):
    """Axes in another order."""

    is_view = True

    def __init__(self, axes: Shape) -> None:
        self.axes = axes

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Permute."""
        return be.permute(arrays[0], self.axes)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Permute back."""
        inverse = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return (be.permute(grad, inverse),)


class Expand(Function):
    """Broadcast to a shape."""

    is_view = True

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Broadcast."""
        self.before: Shape = arrays[0].shape
        return be.expand(arrays[0], self.shape)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Sum over the axes that were broadcast."""
        return (sum_to(be, grad, self.before),)


class Slice(Function):
    """Cut every axis."""

    is_view = is_part = True

    def __init__(self, index: Sequence[slice]) -> None:
        self.index = index

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Cut."""
        self.before: Shape = arrays[0].shape
        return be.slice(arrays[0], self.index)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Zeros around the gradient."""
        return (be.pad(grad, self.before, self.index),)

    def add_part(self, be: Backend[Any], grad: Any, total: Any) -> None:
        """Nothing but the part is touched."""
        be.update("add", be.slice(total, self.index), grad)


class Place(Function):
    """Zeros that hold the input at resolved slices."""

    def __init__(self, shape: Shape, index: Sequence[slice]) -> None:
        check_axes("place", shape)
        self.shape, self.index = shape, index

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Surround by zeros."""
        return be.pad(arrays[0], self.shape, self.index)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The part of the gradient."""
        return (be.slice(grad, self.index),)


class Cat(Function):
    """Join along an axis."""

    name = "cat"

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Join."""
        self.lengths = [a.shape[self.axis] for a in arrays]
        return be.cat(arrays, self.axis)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Cut the gradient apart."""
        whole = [slice(0, n, 1) for n in grad.shape]
        grads, start = [], 0
        for length, need in zip(self.lengths, self.wanted, strict=True):
            whole[self.axis] = slice(start, start + length, 1)
            grads.append(be.slice(grad, tuple(whole)) if need else None)
            start += length
        return tuple(grads)


class Copy(Function):
    """A contiguous copy."""

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Copy."""
        return be.copy(arrays[0])

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The gradient as it is."""
        return (grad,)


class Cast(Function):
    """Convert to another dtype; the engine converts the gradient back."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Convert."""
        return be.elementwise("cast", arrays[0], dtype=self.dtype)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The gradient as it is."""
        return (grad,)


class Move(Function):
    """The same elements on another device; the engine moves the gradient back."""

    def __init__(self, target: Device) -> None:
        self.target = self.moves_to = target

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Through the host."""
        return backend_of(self.target).from_host(be.to_host(arrays[0]))

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The gradient as it is."""
        return (grad,)
