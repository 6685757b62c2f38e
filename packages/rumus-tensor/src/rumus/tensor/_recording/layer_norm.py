"""Layer normalisation of the rows of a matrix."""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus._core.dtypes import float32
from rumus.autograd._function import Function

from .base import Recording


class Moments(Function):
    """Known ``(mean, 1 / sqrt(variance + eps))`` of each row, as what they are of the rows.

    Args:
        moments: The numbers.
        centred: Whether the mean is that of the row, and not 0.
    """

    saves = (0,)
    saves_output = True

    def __init__(self, moments: Any, centred: bool) -> None:
        self.moments, self.centred = moments, centred

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """The moments as they are."""
        return be.copy(self.moments)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """``(g_mean - g_scale * scale**3 * (a - mean)) / columns``."""
        a = be.elementwise("cast", self.saved[0], dtype=float32)
        (mean, scale), (for_mean, for_scale) = _columns(be, self.output), _columns(be, grad)
        cube = be.elementwise("pow", scale, 3)
        bend = be.elementwise("mul", be.elementwise("mul", for_scale, cube), -1.0 / a.shape[1])
        if not self.centred:
            return (be.elementwise("mul", a, bend),)
        from_scale = be.elementwise("mul", be.elementwise("sub", a, mean), bend)
        from_mean = be.elementwise("mul", for_mean, 1.0 / a.shape[1])
        return (be.elementwise("add", from_mean, from_scale),)


class LayerNorm(Recording):
    """The family's part of the recorder."""

    def layer_norm(
        self, a: Any, weight: Any, bias: Any, eps: float, centred: bool = True
    ) -> tuple[Any, Any]:
        moments = self.primitives.layer_norm(self.array(a), None, None, eps, centred)[1]
        y, _, moments = self._normalised(self.tensor(a), moments, centred)
        y = y if weight is None else y * self.tensor(weight)
        return y if bias is None else y + self.tensor(bias), moments

    def layer_norm_backward(
        self, a: Any, moments: Any, weight: Any, grad: Any, eps: float, centred: bool = True
    ) -> Any:
        n, scale, _ = self._normalised(self.tensor(a), moments, centred)
        w = self.tensor(grad).to(float32)
        w = w if weight is None else w * self.tensor(weight)
        along = n * (w * n).mean(1, keepdims=True)
        return (w - w.mean(1, keepdims=True) - along if centred else w - along) * scale

    def layer_norm_sums(
        self,
        a: Any,
        moments: Any,
        grad: Any,
        eps: float,
        centred: bool = True,
        out: None = None,
        bias_out: None = None,
        bias: bool = True,
    ) -> tuple[Any, Any]:
        n, _, _ = self._normalised(self.tensor(a), moments, centred)
        wide = self.tensor(grad).to(float32)
        return (wide * n).sum(0), wide.sum(0) if bias else None

    def _normalised(self, a: Any, moments: Any, centred: bool) -> tuple[Any, Any, Any]:
        """The normalised rows, their scale, and the moments, which depend on the rows."""
        known = Moments(self.array(moments), centred)(a)
        mean, scale = known[:, :1], known[:, 1:]
        return (a.to(float32) - mean) * scale, scale, known


def _columns(be: Backend[Any], a: Any) -> tuple[Any, Any]:
    """The two columns of a matrix."""
    rows = slice(0, a.shape[0], 1)
    first, second = (be.slice(a, (rows, slice(k, k + 1, 1))) for k in (0, 1))
    return first, second
