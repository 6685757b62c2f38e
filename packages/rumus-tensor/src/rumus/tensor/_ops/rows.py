"""Softmax, layer normalisation and cross-entropy over the rows of a matrix."""

from __future__ import annotations

from math import prod
from typing import Any

from rumus._backends.contract import Backend
from rumus._core.shapes import Shape
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


class LayerNorm(Function):
    """The last axes of x normalised, times weight plus bias, which have the shape of these axes."""

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Normalise."""
        x, weight, bias = arrays
        self.shapes: tuple[Shape, Shape] = x.shape, weight.shape
        if self.needs:
            for_x, for_weight, _ = self.needs
            self.saves = (0,) * (for_x or for_weight) + (1,) * for_x
        y, self.moments = be.layer_norm(
            self._rows(be, x), self._line(be, weight), self._line(be, bias), self.eps
        )
        return be.reshape(y, x.shape)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """One pass for x, one for weight and bias."""
        for_x, for_weight, for_bias = self.wanted
        grads = self._rows(be, grad)
        into_x = into_weight = into_bias = None
        if for_x:
            x, weight = self.saved
            into_x = be.layer_norm_backward(
                self._rows(be, x), self.moments, self._line(be, weight), grads
            )
            into_x = be.reshape(into_x, grad.shape)
        if for_weight:
            into_weight, into_bias = self._sums(be, self._rows(be, self.saved[0]), grads)
        elif for_bias:
            into_bias = be.reshape(be.reduce("sum", grads, (0,), False), self.shapes[1])
        return into_x, into_weight, into_bias if for_bias else None

    def _sums(self, be: Backend[Any], rows: Any, grads: Any) -> tuple[Any, Any]:
        slots = [self.slot(1), self.slot(2)]
        places = [slot if slot is None else self._line(be, slot) for slot in slots]
        sums = be.layer_norm_sums(rows, self.moments, grads, *places)
        into_weight, into_bias = (
            slot if given is place and slot is not None else be.reshape(given, self.shapes[1])
            for slot, place, given in zip(slots, places, sums, strict=True)
        )
        return into_weight, into_bias

    def _rows(self, be: Backend[Any], a: Any) -> Any:
        columns = prod(self.shapes[1])
        return be.reshape(a, (prod(self.shapes[0]) // columns, columns))

    def _line(self, be: Backend[Any], a: Any) -> Any:
        return be.reshape(a, (prod(self.shapes[1]),))


class MeanCrossEntropy(Function):
    """The mean loss of the rows of logits (rows, classes) whose class id is not ignored."""

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
