"""Recurrent layers."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus.autograd._function import Function

from .matmul import transposed


class Recurrent(Function):
    """All steps of one direction of a layer, from what its input adds to the gates.

    Called with the gates' inputs (steps, batch, G * hidden), the start (S, batch, hidden), the
    weight (G * hidden, hidden) and maybe a bias; gives the states of all times, the start among
    them, (S, steps + 1, batch, hidden). Without a second derivative.
    """

    saves = (2,)
    saves_output = True

    def __init__(self, kind: str, lengths: Any | None, reverse: bool) -> None:
        self.kind, self.lengths, self.reverse = kind, lengths, reverse

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Take the steps."""
        inputs, start, weight, *bias = arrays
        states, self.kept = be.recurrent(
            self.kind, inputs, start, weight, bias[0] if bias else None, self.lengths, self.reverse
        )
        return states

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Take them back; one product for the weight's gradient over all of them."""
        (weight,) = self.saved
        into, into_sums, into_start = be.recurrent_backward(
            self.kind, self.output, self.kept, weight, grad, self.lengths, self.reverse
        )
        for_inputs, for_start, for_weight, for_bias = (*self.needs, False)[:4]
        into_weight = into_bias = None
        if for_weight or for_bias:
            rows = into.shape[0] * into.shape[1]
            turned = transposed(be, be.reshape(into_sums, (rows, weight.shape[0])))
            slots = self.slot(2), self.slot(3) if for_bias else None
            into_weight, into_bias = be.matmul_and_sums(turned, self._before(be, rows), *slots)
        grads = (
            into if for_inputs else None,
            into_start if for_start else None,
            into_weight if for_weight else None,
            into_bias if for_bias else None,
        )
        return grads[: len(self.needs)]

    def _before(self, be: Backend[Any], rows: int) -> Any:
        """The hidden state before each step, a row for each sequence."""
        _, places, batch, hidden = self.output.shape
        first = 1 if self.reverse else 0
        index = slice(0, 1, 1), slice(first, first + places - 1, 1)
        whole = slice(0, batch, 1), slice(0, hidden, 1)
        return be.reshape(be.slice(self.output, (*index, *whole)), (rows, hidden))
