"""Combinations of all elements up to each one."""

from __future__ import annotations

from math import inf, prod
from typing import Any

from rumus._backends.contract import Backend
from rumus.autograd._function import Function


class CumSum(Function):
    """Sums along an axis, or with ``reverse`` from its end."""

    def __init__(self, axis: int, reverse: bool = False) -> None:
        self.axis, self.reverse = axis, reverse

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Add up."""
        return be.scan("sum", arrays[0], self.axis, self.reverse)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The sums of what comes behind."""
        return (be.scan("sum", grad, self.axis, not self.reverse),)


class CumProd(Function):
    """Products along an axis, or with ``reverse`` from its end."""

    saves = (0,)
    saves_output = True

    def __init__(self, axis: int, reverse: bool = False) -> None:
        self.axis, self.reverse = axis, reverse

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Multiply."""
        return be.scan("prod", arrays[0], self.axis, self.reverse)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The sum of gradient times product from here on, over the element.

        That is for the elements before the first zero. For the zero itself the products are those
        without it; behind it every product has a factor 0.
        """
        x, y = self.saved[0], self.output
        is_zero = be.elementwise("eq", x, 0.0)
        zeros = be.scan("sum", is_zero, self.axis, self.reverse)
        first = be.elementwise("logical_and", is_zero, be.elementwise("eq", zeros, 1))
        without = be.elementwise("where", first, 1.0, x)
        others = be.scan("prod", without, self.axis, self.reverse)
        before = self._sums(be, be.elementwise("mul", grad, y))
        at = self._sums(be, be.elementwise("mul", grad, others))
        ratio = be.elementwise("div", before, be.elementwise("where", is_zero, 1.0, x))
        result = be.elementwise("where", be.elementwise("eq", zeros, 0), ratio, 0.0)
        return (be.elementwise("where", first, at, result),)

    def _sums(self, be: Backend[Any], products: Any) -> Any:
        return be.scan("sum", products, self.axis, not self.reverse)


class CumExtreme(Function):
    """The largest (``"max"``) or smallest (``"min"``) element so far.

    ``positions`` holds where along the axis the last such element is.
    """

    def __init__(self, op: str, axis: int) -> None:
        self.op, self.axis = op, axis

    @property
    def name(self) -> str:
        """The function that a user called."""
        return f"cum{self.op}"

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Choose."""
        a = arrays[0]
        result = be.scan(self.op, a, self.axis)
        behind = (1,) * (a.ndim - self.axis - 1)
        places = be.reshape(be.iota(a.shape[self.axis]), (a.shape[self.axis], *behind))
        reached = be.elementwise("where", be.elementwise("matches", a, result), places, -1)
        self.positions = be.scan("max", reached, self.axis)
        return result

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Each gradient to the element that was chosen."""
        shape, axis = grad.shape, self.axis
        cut = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
        grads, positions = (be.reshape(a, cut) for a in (grad, self.positions))
        return (be.reshape(be.sum_at(grads, positions, shape[axis], self.name), shape),)


class LogCumSumExp(Function):
    """The logarithms of sums of exponentials along an axis, or with ``reverse`` from its end."""

    saves = (0,)
    saves_output = True

    def __init__(self, axis: int, reverse: bool = False) -> None:
        self.axis, self.reverse = axis, reverse

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Add up."""
        return be.scan("logaddexp", arrays[0], self.axis, self.reverse)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """``exp(x)`` times the sums of ``grad * exp(-y)`` behind, positive and negative apart."""
        parts = []
        for side in ("gt", "lt"):
            is_kept = be.elementwise(side, grad, 0.0)
            size = be.elementwise("where", is_kept, be.elementwise("abs", grad), 1.0)
            logs = be.elementwise("sub", be.elementwise("log", size), self.output)
            kept = be.elementwise("where", is_kept, logs, -inf)
            sums = be.scan("logaddexp", kept, self.axis, not self.reverse)
            parts.append(be.elementwise("exp", be.elementwise("add", sums, self.saved[0])))
        return (be.elementwise("sub", *parts),)
