"""Softmax and cross-entropy over the rows of a matrix."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus._core.dtypes import float32
from rumus.autograd._function import Function

from .._ops.movement import Cat, Reshape
from .._ops.reduce import Reduce
from .._ops.rows import CrossEntropy, Softmax
from .base import Recording


class SoftmaxBackward(Function):
    """The gradient of softmax, or of its logarithm, of the result and its gradient."""

    saves = (0, 1)

    def __init__(self, log: bool) -> None:
        self.log = log

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """``y * (g - sum(g * y))``, or ``g - exp(y) * sum(g)`` for the logarithm."""
        return be.softmax_backward(arrays[0], arrays[1], self.log)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Its derivatives for y, and for g."""
        y, g = self.saved
        for_y, for_g = self.wanted
        into_y = into_g = None
        if self.log:
            spread = _times(be, grad, be.elementwise("exp", y))
            if for_y:
                into_y = be.elementwise("neg", _times(be, spread, _row_sums(be, g)))
            if for_g:
                into_g = be.elementwise("sub", grad, _row_sums(be, spread))
            return into_y, into_g
        if for_y:
            kept = be.elementwise("sub", g, _row_sums(be, _times(be, g, y)))
            lost = _times(be, g, _row_sums(be, _times(be, grad, y)))
            into_y = be.elementwise("sub", _times(be, grad, kept), lost)
        if for_g:
            into_g = be.softmax_backward(y, grad, False)
        return into_y, into_g


class CrossEntropyBackward(Function):
    """The gradient of the losses of rows, of logits, class ids and the losses' gradients."""

    saves = (0, 1, 2)

    def __init__(self, ignore_index: int, smoothing: float) -> None:
        self.ignore_index, self.smoothing = ignore_index, smoothing

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """``g * (softmax(logits) - q)``, 0 for ignored rows."""
        logits, target, g = arrays
        return be.cross_entropy_backward(logits, target, g, self.ignore_index, self.smoothing)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Its derivatives for the logits, and for g."""
        logits, target, g = self.saved
        into_logits = into_g = None
        if self.wanted[0]:
            counts = be.elementwise("ne", target, self.ignore_index)
            kept = be.reshape(be.elementwise("where", counts, g, 0.0), (g.shape[0], 1))
            y = be.softmax(logits, False)
            into_logits = be.softmax_backward(y, _times(be, grad, kept), False)
        if self.wanted[2]:
            ones = be.full(g.shape, 1.0, float32)
            slope = be.cross_entropy_backward(
                logits, target, ones, self.ignore_index, self.smoothing
            )
            into_g = be.reduce("sum", _times(be, grad, slope), (1,), False)
        return into_logits, None, into_g


class Rows(Recording):
    """The family's part of the recorder."""

    def softmax(self, a: Any, log: bool) -> Any:
        return Softmax(log)(self.tensor(a))

    def softmax_backward(self, y: Any, grad: Any, log: bool) -> Any:
        return SoftmaxBackward(log)(self.tensor(y), self.tensor(grad))

    def cross_entropy(self, logits: Any, target: Any, ignore_index: int, smoothing: float) -> Any:
        return CrossEntropy(ignore_index, smoothing)(self.tensor(logits), self.tensor(target))

    def mean_of_kept(self, losses: Any, target: Any, ignore_index: int) -> Any:
        both = self.primitives.mean_of_kept(self.array(losses), self.array(target), ignore_index)
        weight = self.tensor(self.primitives.slice(both, (slice(1, 2, 1),)))
        mean = Reduce("sum", (0,), True)(self.tensor(losses)) * weight
        return Cat(0)(Reshape((1,))(mean), weight)

    def cross_entropy_backward(
        self, logits: Any, target: Any, grad: Any, ignore_index: int, smoothing: float
    ) -> Any:
        arguments = map(self.tensor, (logits, target, grad))
        return CrossEntropyBackward(ignore_index, smoothing)(*arguments)


def _times(be: Backend[Any], a: Any, b: Any) -> Any:
    return be.elementwise("mul", a, b)


def _row_sums(be: Backend[Any], a: Any) -> Any:
    return be.reduce("sum", a, (1,), True)
