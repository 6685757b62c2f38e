"""Reductions over axes."""

from __future__ import annotations

import math
from typing import Any

from rumus._backends.contract import Backend
from rumus._core.shapes import Shape
from rumus.autograd._function import Function


class Reduce(Function):
    """A sum, mean, product, maximum or minimum over axes counted from the front."""

    def __init__(self, op: str, axes: Shape, keepdims: bool) -> None:
        self.op, self.axes, self.keepdims = op, axes, keepdims
        self.saves_output = op in ("max", "min")
        self.saves = (0,) if self.saves_output or op == "prod" else ()

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
        if self.op == "prod":
            return (self._of_product(be, grad),)
        mask = be.elementwise("matches", self.saved[0], be.reshape(self.output, kept))
        share = be.elementwise("div", grad, be.reduce("sum", mask, self.axes, True))
        return (be.elementwise("where", mask, share, 0.0),)

    def _of_product(self, be: Backend[Any], grad: Any) -> Any:
        """The gradient times the product of the others: where one is 0, it alone may get some."""
        (a,) = self.saved
        zero = be.elementwise("eq", a, 0.0)
        zeros = be.reduce("sum", zero, self.axes, True)
        others = be.elementwise("where", zero, 1.0, a)
        product = be.elementwise("mul", grad, be.reduce("prod", others, self.axes, True))
        single = be.elementwise("where", be.elementwise("eq", zeros, 1), product, 0.0)
        whole = be.elementwise("where", zeros, 0.0, product)
        return be.elementwise("where", zero, single, be.elementwise("div", whole, others))


class LogSumExp(Function):
    """``log(sum(exp(a)))`` over axes, of float32 and without overflow."""

    saves = (0,)

    def __init__(self, axes: Shape, keepdims: bool) -> None:
        self.axes, self.keepdims = axes, keepdims

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """The sum is taken of what is left when the largest number is taken away."""
        (a,) = arrays
        self.kept = tuple(1 if k in self.axes else n for k, n in enumerate(a.shape))
        if not a.size:
            return be.full(_without(self.kept, self.axes, self.keepdims), -math.inf, a.dtype)
        largest, _, sums = self._parts(be, a)
        result = be.elementwise("add", be.elementwise("log", sums), largest)
        return be.reshape(result, _without(self.kept, self.axes, self.keepdims))

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Each element's part of the sum; none where all are minus infinity."""
        _, parts, sums = self._parts(be, self.saved[0])
        some = be.elementwise("where", be.elementwise("eq", sums, 0.0), 1.0, sums)
        scale = be.elementwise("div", be.reshape(grad, self.kept), some)
        return (be.elementwise("mul", parts, scale),)

    def _parts(self, be: Backend[Any], a: Any) -> tuple[Any, Any, Any]:
        """The largest number m (0 if it is not finite), exp(a - m), and the sum of these."""
        largest = be.reduce("max", a, self.axes, True)
        largest = be.elementwise("where", be.elementwise("isfinite", largest), largest, 0.0)
        parts = be.elementwise("exp", be.elementwise("sub", a, largest))
        return largest, parts, be.reduce("sum", parts, self.axes, True)


class Norm(Function):
    """``sum(|a|**order)**(1 / order)`` over axes, of float32; or the extreme of ``|a|``."""

    saves = (0,)
    saves_output = True

    def __init__(self, order: float, axes: Shape, keepdims: bool) -> None:
        self.order, self.axes, self.keepdims = order, axes, keepdims

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Powers, their sum, its root."""
        (a,) = arrays
        self.kept = tuple(1 if k in self.axes else n for k, n in enumerate(a.shape))
        return self._norm(be, a)

    def _norm(self, be: Backend[Any], a: Any) -> Any:
        order, row = self.order, be.elementwise
        if math.isinf(order):
            extreme = "max" if order > 0 else "min"
            return be.reduce(extreme, row("abs", a), self.axes, self.keepdims)
        if order == 0:
            counted = be.reduce("sum", row("ne", a, 0.0), self.axes, self.keepdims)
            return row("cast", counted, dtype=a.dtype)
        if order == 1:
            return be.reduce("sum", row("abs", a), self.axes, self.keepdims)
        if order == 2:
            return row("sqrt", be.reduce("sum", row("square", a), self.axes, self.keepdims))
        powers = row("pow", row("abs", a), order)
        return row("pow", be.reduce("sum", powers, self.axes, self.keepdims), 1.0 / order)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Where the norm is 0, so is its gradient."""
        (a,) = self.saved
        order, row = self.order, be.elementwise
        grad, norm = be.reshape(grad, self.kept), be.reshape(self.output, self.kept)
        if math.isinf(order):
            mask = row("matches", row("abs", a), norm)
            share = row("div", grad, be.reduce("sum", mask, self.axes, True))
            return (row("where", mask, row("mul", share, row("sign", a)), 0.0),)
        if order == 1:
            return (row("mul", grad, row("sign", a)),)
        safe = row("where", row("eq", norm, 0.0), 1.0, norm)
        part = row("div", a, safe)
        if order == 2:
            return (row("mul", grad, part),)
        if order == 0:
            return (be.full(a.shape, 0.0, a.dtype),)
        power = row("pow", row("abs", part), order - 1.0)
        known = row("where", row("eq", a, 0.0), 0.0, row("mul", power, row("sign", a)))
        return (row("mul", grad, known),)


def _without(kept: Shape, axes: Shape, keepdims: bool) -> Shape:
    return kept if keepdims else tuple(n for k, n in enumerate(kept) if k not in axes)
