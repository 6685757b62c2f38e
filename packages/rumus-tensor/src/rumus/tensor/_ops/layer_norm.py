"""Layer and RMS normalisation: of the last axes of each sample."""

from __future__ import annotations

from math import prod
from typing import Any

from rumus._backends.contract import Backend
from rumus._core.shapes import Shape
from rumus.autograd._function import Function


class LayerNorm(Function):
    """The last axes of x normalised, times weight, plus bias.

    The inputs are x and, as ``affine`` says, weight and bias of the shape of these axes.

    Args:
        shape: Lengths of the axes to normalise over.
        eps: Added to the variance.
        affine: Whether there is a weight, and whether there is a bias.
        centred: Whether the mean is subtracted; an RMS norm takes it for 0.
    """

    def __init__(
        self, shape: Shape, eps: float, affine: tuple[bool, bool], centred: bool = True
    ) -> None:
        self.shape, self.eps, self.affine, self.centred = shape, eps, affine, centred

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Normalise."""
        x, weight, bias = self._named(arrays)
        self.before: Shape = x.shape
        if self.needs:
            for_x, for_weight, _ = self._named(self.needs)
            self.saves = (0,) * bool(for_x or for_weight) + (1,) * bool(for_x and self.affine[0])
        y, self.moments = be.layer_norm(
            self._rows(be, x), self._line(be, weight), self._line(be, bias), self.eps, self.centred
        )
        return be.reshape(y, x.shape)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """One pass for x, one for weight and bias."""
        for_x, for_weight, for_bias = self._named(self.wanted)
        grads = self._rows(be, grad)
        into_x = into_weight = into_bias = None
        if for_x:
            weight = self.saved[1] if self.affine[0] else None
            into_x = be.layer_norm_backward(
                self._rows(be, self.saved[0]),
                self.moments,
                self._line(be, weight),
                grads,
                self.eps,
                self.centred,
            )
            into_x = be.reshape(into_x, grad.shape)
        if for_weight:
            into_weight, into_bias = self._sums(be, grads, bool(for_bias))
        elif for_bias:
            into_bias = be.reshape(be.reduce("sum", grads, (0,), False), self.shape)
        given = (True, *self.affine)
        return tuple(
            g for g, has in zip((into_x, into_weight, into_bias), given, strict=True) if has
        )

    def _sums(self, be: Backend[Any], grads: Any, bias: bool) -> tuple[Any, Any]:
        slots = [self.slot(1), self.slot(2) if bias else None]
        places = [self._line(be, slot) for slot in slots]
        rows = self._rows(be, self.saved[0])
        sums = be.layer_norm_sums(
            rows, self.moments, grads, self.eps, self.centred, places[0], places[1], bias
        )
        into_weight, into_bias = (
            slot
            if given is place and slot is not None
            else None
            if given is None
            else be.reshape(given, self.shape)
            for slot, place, given in zip(slots, places, sums, strict=True)
        )
        return into_weight, into_bias

    def _named(self, given: tuple[Any, ...]) -> tuple[Any, Any, Any]:
        """What belongs to x, weight and bias."""
        rest = iter(given[1:])
        return given[0], *(next(rest) if has else None for has in self.affine)

    def _rows(self, be: Backend[Any], a: Any) -> Any:
        columns = prod(self.shape)
        return be.reshape(a, (prod(self.before[: len(self.before) - len(self.shape)]), columns))

    def _line(self, be: Backend[Any], a: Any) -> Any:
        return None if a is None else be.reshape(a, (prod(self.shape),))
