"""Layer normalisation of the rows of a matrix, and its gradients, computed in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .movement import written
from .reduce import reduce
from .rows import row_sums

Array = npt.NDArray[Any]


def layer_norm(
    a: Array, weight: Array | None, bias: Array | None, eps: float, centred: bool = True
) -> tuple[Array, Array]:
    """``(a - mean) / sqrt(var + eps) * weight + bias``, and ``(mean, 1 / sqrt(var + eps))``."""
    dtype = np.result_type(a, *(given for given in (weight, bias) if given is not None))
    moments = np.zeros((len(a), 2), np.float32)
    count = np.float32(a.shape[1])
    with np.errstate(all="ignore"):
        if centred:
            moments[:, :1] = row_sums(a) / count
        y = a - moments[:, :1]
        moments[:, 1:] = 1 / np.sqrt(row_sums(y * y) / count + np.float32(eps))
        y *= moments[:, 1:]
        if weight is not None:
            y *= weight
        if bias is not None:
            y += bias
    return y.astype(dtype, copy=False), moments


def layer_norm_backward(
    a: Array, moments: Array, weight: Array | None, grad: Array, eps: float, centred: bool = True
) -> Array:
    """``scale * (w - mean(w) - n * mean(w * n))`` of ``w = g * weight`` and the normalised n."""
    with np.errstate(all="ignore"):
        n = _normalised(a, moments)
        w = np.multiply(grad, np.float32(1) if weight is None else weight, dtype=np.float32)
        count = np.float32(a.shape[1])
        n *= row_sums(w * n) / count
        if centred:
            w -= row_sums(w) / count
        w -= n
        w *= moments[:, 1:]
    return w


def layer_norm_sums(
    a: Array, moments: Array, grad: Array, bias: bool
) -> tuple[Array, Array | None]:
    """``sum(g * n)`` and, if asked for, ``sum(g)`` down the columns."""
    with np.errstate(all="ignore"):
        n = _normalised(a, moments)
        n *= grad
    wide = grad.astype(np.float32, copy=False)
    return reduce("sum", n, (0,), False), reduce("sum", wide, (0,), False) if bias else None


def _normalised(a: Array, moments: Array) -> Array:
    n = a - moments[:, :1]
    n *= moments[:, 1:]
    return np.asarray(n)


class LayerNorm:
    """The family's part of the backend."""

    layer_norm = staticmethod(layer_norm)
    layer_norm_backward = staticmethod(layer_norm_backward)

    def layer_norm_sums(
        self,
        a: Array,
        moments: Array,
        grad: Array,
        eps: float,
        centred: bool = True,
        out: Array | None = None,
        bias_out: Array | None = None,
        bias: bool = True,
    ) -> tuple[Array, Array | None]:
        sums, bias_sums = layer_norm_sums(a, moments, grad, bias)
        if bias_sums is not None and bias_out is not None:
            bias_sums = written(bias_out, bias_sums)
        return sums if out is None else written(out, sums), bias_sums
