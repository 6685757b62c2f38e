"""Elements by their positions along the middle axis of a 3-D array."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus.autograd._function import Function

from .base import Recording


class GatherRows(Function):
    """Elements of the first input at the positions in the second."""

    saves = (1,)

    def __init__(self, name: str, wrap: bool, skip: int | None = None) -> None:
        self.called, self.wrap, self.skip = name, wrap, skip

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Choose."""
        a, index = arrays
        self.length = a.shape[1]
        return be.gather(a, index, self.called, self.wrap)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The sums of the gradients of each position."""
        return be.sum_at(grad, self.saved[0], self.length, self.called, self.skip), None


class SumRows(Function):
    """The first input added up at the positions in the second."""

    saves = (1,)

    def __init__(self, length: int, name: str, skip: int | None) -> None:
        self.length, self.called, self.skip = length, name, skip

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Add up."""
        return be.sum_at(arrays[0], arrays[1], self.length, self.called, self.skip)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The gradient of each position; none of what was skipped."""
        (index,) = self.saved
        chosen = be.gather(grad, index, self.called)
        if self.skip is not None:
            chosen = be.elementwise("where", be.elementwise("ne", index, self.skip), chosen, 0.0)
        return chosen, None


class Indexing(Recording):
    """The family's part of the recorder."""

    def gather(self, a: Any, index: Any, name: str, wrap: bool = True) -> Any:
        return GatherRows(name, wrap, None)(self.tensor(a), self.tensor(index))

    def sum_at(
        self,
        values: Any,
        index: Any,
        length: int,
        name: str,
        skip: int | None = None,
        out: None = None,
    ) -> Any:
        return SumRows(length, name, skip)(self.tensor(values), self.tensor(index))
