"""Softmax, layer normalisation and cross-entropy over the rows of a matrix."""

from __future__ import annotations

from typing import Any

from rumus.autograd._function import Function

from .._backend import Backend
from ._shapes import Shape


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

    saves = (0, 1)

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Normalise."""
        x, weight, bias = arrays
        columns = (weight.size,)
        y, self.moments = be.layer_norm(
            _as_rows(be, x, weight),
            be.reshape(weight, columns),
            be.reshape(bias, columns),
            self.eps,
        )
        return be.reshape(y, x.shape)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """One pass for x, one for weight and bias."""
        x, weight = self.saved
        for_x, for_weight, for_bias = self.needs
        rows, grads = _as_rows(be, x, weight), _as_rows(be, grad, weight)
        into_x = into_weight = into_bias = None
        if for_x:
            flat = be.reshape(weight, (weight.size,))
            into_x = be.layer_norm_backward(rows, self.moments, flat, grads)
            into_x = be.reshape(into_x, x.shape)
        if for_weight or for_bias:
            into_weight, into_bias = self._sums(be, rows, grads, weight.shape)
        return into_x, into_weight if for_weight else None, into_bias if for_bias else None

    def _sums(self, be: Backend[Any], rows: Any, grads: Any, shape: Shape) -> tuple[Any, Any]:
        slots = [self.slot(1), self.slot(2)]
        flat = [slot if slot is None else be.reshape(slot, grads.shape[1:]) for slot in slots]
        sums = be.layer_norm_sums(rows, self.moments, grads, *flat)
        into_weight, into_bias = (
            slot if given is place and slot is not None else be.reshape(given, shape)
            for slot, place, given in zip(slots, flat, sums, strict=True)
        )
        return into_weight, into_bias


def _as_rows(be: Backend[Any], x: Any, weight: Any) -> Any:
    return be.reshape(x, (x.size // max(weight.size, 1), weight.size))


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
