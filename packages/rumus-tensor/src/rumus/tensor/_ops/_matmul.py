"""Matrix products."""

from __future__ import annotations

from typing import Any

from rumus.autograd._function import Function

from .._backend import Backend


class MatMul(Function):
    """``(…, m, k) @ (…, k, n)`` with equal batch axes."""

    saves = (0, 1)

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Multiply."""
        return be.matmul(arrays[0], arrays[1])

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """``g @ b.T`` and ``a.T @ g``."""
        a, b = self.saved
        needs = self.needs
        return (
            be.matmul(grad, transposed(be, b), out=self.slot(0)) if needs[0] else None,
            be.matmul(transposed(be, a), grad, out=self.slot(1)) if needs[1] else None,
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
        needs = self.needs
        grads = [
            be.matmul(grad, weight) if needs[0] else None,
            be.matmul(transposed(be, grad), x, out=self.slot(1)) if needs[1] else None,
        ]
        if len(needs) > 2:
            bias = be.reduce("sum", grad, (0,), False, self.slot(2)) if needs[2] else None
            grads.append(bias)
        return tuple(grads)


def transposed(be: Backend[Any], a: Any) -> Any:
    """The last two axes swapped, as a view."""
    axes = list(range(a.ndim))
    axes[-2:] = axes[-1], axes[-2]
    return be.permute(a, axes)
