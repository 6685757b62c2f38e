"""Matrix products, by numpy's BLAS."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._core.threads import blas_threads

from .movement import written
from .reduce import reduce

Array = npt.NDArray[Any]


def matmul(a: Array, b: Array, bias: Array | None, out: Array | None) -> Array:
    """``a @ b + bias``; float16 is multiplied and summed in float32."""
    dtype = a.dtype
    if dtype == np.float16:
        a, b = a.astype(np.float32), b.astype(np.float32)
    a, b = _for_blas(a), _for_blas(b)
    work = a.shape[-2] * a.shape[-1] * b.shape[-1]
    with np.errstate(all="ignore"), blas_threads(work):
        if out is not None and bias is None and out.dtype == a.dtype:
            return np.matmul(a, b, out=out)
        result = np.matmul(a, b)
        if bias is not None:
            result += bias
        result = np.asarray(result, dtype)
    if out is None:
        return result
    np.copyto(out, result)
    return out


def _for_blas(a: Array) -> Array:
    """The array, copied where numpy 1 would not hand it to BLAS but multiply in a plain loop."""
    height, width = a.shape[-2:]
    down, along = a.strides[-2:]
    by_rows = along == a.itemsize and down >= width * a.itemsize
    by_columns = down == a.itemsize and along >= height * a.itemsize
    return a if by_rows or by_columns else np.ascontiguousarray(a)


class MatMul:
    """The family's part of the backend."""

    def matmul(
        self, a: Array, b: Array, bias: Array | None = None, out: Array | None = None
    ) -> Array:
        return matmul(a, b, bias, out)

    def matmul_and_sums(
        self, a: Array, b: Array, out: Array | None = None, sums_out: Array | None = None
    ) -> tuple[Array, Array]:
        sums = reduce("sum", a, (1,), False)
        return matmul(a, b, None, out), sums if sums_out is None else written(sums_out, sums)
