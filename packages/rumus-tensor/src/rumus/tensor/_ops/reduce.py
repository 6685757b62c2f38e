"""Reductions over axes."""

from __future__ import annotations

import math
from typing import Any

from rumus._backends.contract import Backend
from rumus._core.shapes import Shape
from rumus.autograd._function import Function


class Reduce(Function):
    """``"sum"``, ``"mean"``, ``"max"`` or ``"min"`` over axes counted from the front."""

    def __init__(self, op: str, axes: Shape, keepdims: bool) -> None:
        self.op, self.axes, self.keepdims = op, axes, keepdims
        self.saves_output = op in ("max", "min")
        self.saves = (0,) if self.saves_output else ()

    @property
    def name(self) -> str:
        """The reduction's name."""
        return self.op

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Reduce."""
        self.shape: Shape = arrays[0].shape
        return be.reduce(self.op, arrays[0], self.axes, self.keepdims)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Spread the gradient; equal extremes, or the NaNs that win, share it equally."""
        kept = tuple(1 if k in self.axes else n for k, n in enumerate(self.shape))
        grad = be.reshape(grad, kept)
        if self.op == "sum":
            return (be.expand(grad, self.shape),)
        if self.op == "mean":
            count = math.prod(self.shape[k] for k in self.axes)
            grad = be.elementwise("mul", grad, 1.0 / count if count else math.nan)
            return (be.expand(grad, self.shape),)
        mask = be.elementwise("matches", self.saved[0], be.reshape(self.output, kept))
        share = be.elementwise("div", grad, be.reduce("sum", mask, self.axes, True))
        return (be.elementwise("where", mask, share, 0.0),)
