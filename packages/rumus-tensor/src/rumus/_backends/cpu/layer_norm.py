"""Layer normalisation of the rows of a matrix, and its gradients, computed in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .movement import written
from .reduce import reduce
from .rows import row_sums

Array = npt.NDArray[Any]


def layer_norm(a: Array, weight: Array, bias: Array, eps: float) -> tuple[Array, Array]:
    """``(a - mean) / sqrt(var + eps) * weight + bias``, and ``(mean, 1 / sqrt(var + eps))``."""
    dtype = np.result_type(a, weight, bias)
    moments = np.empty((len(a), 2), np.float32)
    count = np.float32(a.shape[1])
    with np.errstate(all="ignore"):
        moments[:, :1] = row_sums(a) / count
        y = a - moments[:, :1]
        moments[:, 1:] = 1 / np.sqrt(row_sums(y * y) / count + np.float32(eps))
        y *= moments[:, 1:]
        y *= weight
        y += bias
    return y.astype(dtype, copy=False), moments


def layer_norm_backward(a: Array, moments: Array, weight: Array, grad: Array) -> Array:
    """``scale * (w - mean(w) - n * mean(w * n))`` of ``w = g * weight`` and the normalised n."""
    with np.errstate(all="ignore"):
        n = _normalised(a, moments)
        w = np.multiply(grad, weight, dtype=np.float32)
        count = np.float32(a.shape[1])
        n *= row_sums(w * n) / count
        w -= row_sums(w) / count
        w -= n
        w *= moments[:, 1:]
    return w


def layer_norm_sums(a: Array, moments: Array, grad: Array) -> tuple[Array, Array]:
    """``sum(g * n)`` and ``sum(g)`` down the columns."""
    with np.errstate(all="ignore"):
        n = _normalised(a, moments)
        n *= grad
    wide = grad.astype(np.float32, copy=False)
    return reduce("sum", n, (0,), False), reduce("sum", wide, (0,), False)


def _normalised(a: Array, moments: Array) -> Array:
    n = a - moments[:, :1]
    n *= moments[:, 1:]
    return np.asarray(n)


class LayerNorm:
    """The family's part of the backend."""

    layer_norm = staticmethod(layer_norm)
    layer_norm_backward = staticmethod(layer_norm_backward)

    def layer_norm_sums(
        self, a: Array, moments: Array, grad: Array, out: Array | None, bias_out: Array | None
    ) -> tuple[Array, Array]:
        sums, bias_sums = layer_norm_sums(a, moments, grad)
        return (
            sums if out is None else written(out, sums),
            bias_sums if bias_out is None else written(bias_out, bias_sums),
        )
