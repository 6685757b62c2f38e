"""Matrix products."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus.autograd._function import Function


class MatMul(Function):
    """``(…, m, k) @ (…, k, n)`` with equal batch axes."""

    name = "matmul"
    saves = (0, 1)

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Multiply."""
        return be.matmul(arrays[0], arrays[1])

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """``g @ b.T`` and ``a.T @ g``."""
        a, b = self.saved
        wanted = self.wanted
        return (
            be.matmul(grad, transposed(be, b), out=self.slot(0)) if wanted[0] else None,
            be.matmul(transposed(be, a), grad, out=self.slot(1)) if wanted[1] else None,
        )


class Linear(Function):
    """``x @ weight.T + bias``, of x (rows, in), weight (out, in) and maybe bias (out,)."""

    saves = (0, 1)

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Multiply and add."""
        bias = arrays[2] if len(arrays) > 2 else None
        return be.matmul(arrays[0], transposed(be, arrays[1]), bias)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """``g @ weight``, ``g.T @ x`` and the sum of g over rows."""
        x, weight = self.saved
        for_x, for_weight, for_bias = (*self.wanted, False)[:3]
        turned = transposed(be, grad)
        into_x = be.matmul(grad, weight) if for_x else None
        into_weight = into_bias = None
        if for_weight and for_bias:
            slots = self.slot(1), self.slot(2)
            into_weight, into_bias = be.matmul_and_sums(turned, x, *slots)
        elif for_weight:
            into_weight = be.matmul(turned, x, out=self.slot(1))
        elif for_bias:
            into_bias = be.reduce("sum", turned, (1,), False, self.slot(2))
        return (into_x, into_weight, into_bias)[: len(self.wanted)]


def transposed(be: Backend[Any], a: Any) -> Any:
    """The last two axes swapped, as a view."""
    axes = list(range(a.ndim))
    axes[-2:] = axes[-1], axes[-2]
    return be.permute(a, axes)
