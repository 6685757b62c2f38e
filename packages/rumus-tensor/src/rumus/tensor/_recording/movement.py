"""Views and movement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rumus._backends.contract import Backend, Shape, Slices
from rumus.autograd._function import Function

from .._ops.movement import Cat, Copy, Expand, Permute, Place, Reshape, Slice
from .base import Recording


class Contiguous(Function):
    """The same elements in row-major order without gaps, copied where they are not."""

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Copy if need be."""
        result = be.contiguous(arrays[0])
        self.is_view = be.shares(arrays[0], result)
        return result

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The gradient as it is."""
        return (grad,)


class Movement(Recording):
    """The family's part of the recorder."""

    def reshape(self, a: Any, shape: Shape) -> Any:
        return Reshape(shape)(self.tensor(a))

    def permute(self, a: Any, axes: Sequence[int]) -> Any:
        return Permute(tuple(axes))(self.tensor(a))

    def expand(self, a: Any, shape: Shape) -> Any:
        return Expand(shape)(self.tensor(a))

    def slice(self, a: Any, index: Slices) -> Any:
        return Slice(index)(self.tensor(a))

    def shares(self, a: Any, b: Any) -> bool:
        first, second = self.array(a), self.array(b)
        return type(first) is type(second) and self.primitives.shares(first, second)

    def copy(self, a: Any) -> Any:
        return Copy()(self.tensor(a))

    def contiguous(self, a: Any) -> Any:
        return Contiguous()(self.tensor(a))

    def cat(self, arrays: Sequence[Any], axis: int) -> Any:
        return Cat(axis)(*map(self.tensor, arrays))

    def pad(self, a: Any, shape: Shape, index: Slices) -> Any:
        return Place(shape, index)(self.tensor(a))

    def assign(self, target: Any, value: Any) -> None:
        self.refuse("assign (a change in place)", target, value)
        self.primitives.assign(self.array(target), self.array(value))
