"""Softmax and cross-entropy over the rows of a matrix."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus.autograd._function import Function


class Softmax(Function):
    """Softmax of each row, or its logarithm."""

    saves_output = True

    def __init__(self, log: bool) -> None:
        self.log = log

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Normalise."""
        return be.softmax(arrays[0], self.log)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """From the result alone."""
        return (be.softmax_backward(self.output, grad, self.log),)


class MeanCrossEntropy(Function):
    """The mean loss of the rows of logits (rows, classes) whose class id is not ignored."""

    name = "cross_entropy"
    saves = (0, 1)

    def __init__(self, ignore_index: int, smoothing: float) -> None:
        self.ignore_index, self.smoothing = ignore_index, smoothing

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """The scalar loss."""
        logits, target = arrays
        losses = be.cross_entropy(logits, target, self.ignore_index, self.smoothing)
        both = be.mean_of_kept(losses, target, self.ignore_index)
        self.weight = be.reshape(be.slice(both, (slice(1, 2, 1),)), ())
        return be.reshape(be.slice(both, (slice(0, 1, 1),)), ())

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Gradient of the logits: every row that counts has the same weight."""
        logits, target = self.saved
        weight = self.weight if grad is be.one() else be.elementwise("mul", grad, self.weight)
        grads = be.expand(weight, target.shape)
        return (
            be.cross_entropy_backward(logits, target, grads, self.ignore_index, self.smoothing),
            None,
        )


class CrossEntropy(Function):
    """The loss of each row of logits (rows, classes) against class ids (rows,)."""

    name = "cross_entropy"
    saves = (0, 1)

    def __init__(self, ignore_index: int, smoothing: float) -> None:
        self.ignore_index, self.smoothing = ignore_index, smoothing

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Loss of each row."""
        return be.cross_entropy(arrays[0], arrays[1], self.ignore_index, self.smoothing)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Gradient of the logits."""
        logits, target = self.saved
        return (
            be.cross_entropy_backward(logits, target, grad, self.ignore_index, self.smoothing),
            None,
        )
