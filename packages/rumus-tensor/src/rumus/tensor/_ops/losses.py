"""Losses whose gradients need care."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus.autograd._function import Function

_LEAST_LOG = -100.0
_LEAST_PRODUCT = 1e-12


class BinaryCrossEntropy(Function):
    """``-(t log(p) + (1 - t) log(1 - p))``, of logarithms of at least -100.

    Its gradient for p is ``(p - t) / (p (1 - p))``, of a divisor of at least 1e-12: the least
    logarithm counts as one that goes on falling, so that a p of 0 can leave it.
    """

    saves = (0, 1)

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """The loss of each element."""
        p, t = arrays
        log, other = self._logs(be, p)
        difference = be.elementwise("sub", other, log)
        return be.elementwise("sub", be.elementwise("mul", t, difference), other)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """For p as above; for t ``log(1 - p) - log(p)``."""
        p, t = self.saved
        into_p = into_t = None
        if self.wanted[0]:
            product = be.elementwise("mul", p, be.elementwise("sub", 1.0, p))
            slope = be.elementwise("sub", p, t)
            slope = be.elementwise("div", slope, be.elementwise("maximum", product, _LEAST_PRODUCT))
            into_p = be.elementwise("mul", grad, slope)
        if self.wanted[1]:
            log, other = self._logs(be, p)
            into_t = be.elementwise("mul", grad, be.elementwise("sub", other, log))
        return into_p, into_t

    def _logs(self, be: Backend[Any], p: Any) -> tuple[Any, Any]:
        """The logarithms of p and of 1 - p."""
        log = be.elementwise("log", p)
        other = be.elementwise("log1p", be.elementwise("neg", p))
        least = _LEAST_LOG
        return be.elementwise("maximum", log, least), be.elementwise("maximum", other, least)
