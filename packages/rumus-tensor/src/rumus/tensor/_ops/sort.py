"""Rows in order."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus.autograd._function import Function


class Sort(Function):
    """The first elements of the rows of a matrix in order; ``columns`` holds where they were."""

    def __init__(self, descending: bool, first: int | None = None) -> None:
        self.descending, self.first = descending, first

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Sort."""
        self.length = arrays[0].shape[1]
        values, self.columns = be.sort(arrays[0], self.descending, first=self.first)
        return values

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Each gradient to where its element was."""
        grads, columns = (be.reshape(a, (*grad.shape, 1)) for a in (grad, self.columns))
        sums = be.sum_at(grads, columns, self.length, "sort")
        return (be.reshape(sums, (grad.shape[0], self.length)),)
