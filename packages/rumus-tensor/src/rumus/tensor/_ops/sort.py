"""Rows in order."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus.autograd._function import Function


class Sort(Function):
    """The rows of a matrix in order; ``columns`` holds where their elements were."""

    def __init__(self, descending: bool) -> None:
        self.descending = descending

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Sort."""
        values, self.columns = be.sort(arrays[0], self.descending)
        return values

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Each gradient to where its element was."""
        rows, length = grad.shape
        grads, columns = (be.reshape(a, (rows, length, 1)) for a in (grad, self.columns))
        return (be.reshape(be.sum_at(grads, columns, length, "sort"), grad.shape),)
