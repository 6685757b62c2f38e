"""Matrix products of tensors of any number of axes."""

from __future__ import annotations

import math
from typing import Any

from rumus._core.base import TensorBase, TensorT
from rumus._core.dtypes import bool_, common_dtype, int32
from rumus._core.errors import DTypeError, ShapeError
from rumus._core.shapes import Shape, broadcast_shape

from ._ops.matmul import MatMul
from ._ops.movement import Cast, Expand, Permute, Reshape


def matmul(a: TensorBase[TensorT] | float, b: TensorBase[TensorT] | float) -> TensorT:
    """The matrix product, by numpy's rules.

    The last axis of ``a`` meets the last but one of ``b``; the axes before them broadcast; a tensor
    of one axis is a row on the left and a column on the right.

    Raises:
        ShapeError: The shapes do not fit.
        DTypeError: One of the two is a scalar.

    Example:
        >>> matmul(tensor([[1, 2], [3, 4]]), tensor([1, 1])).tolist()
        [3, 7]
    """
    if not (isinstance(a, TensorBase) and isinstance(b, TensorBase)):
        raise DTypeError("matmul takes two tensors; multiply by a scalar with *")
    left, right = a.shape, b.shape
    inner = right[-2:-1] if b.ndim > 1 else right
    if not left or not right or left[-1:] != inner:
        raise ShapeError(f"matmul: shapes {left} and {right} do not fit")
    dtype = common_dtype((a.dtype, b.dtype))
    dtype = int32 if dtype == bool_ else dtype
    a, b = (x if x.dtype == dtype else Cast(dtype)(x) for x in (a, b))
    result: TensorT
    rows, columns = left[:-1] if a.ndim == 1 else left[-2:-1], right[-1:] if b.ndim > 1 else ()
    a = Reshape((1, *left))(a) if a.ndim == 1 else a
    b = Reshape((*right, 1))(b) if b.ndim == 1 else b
    if b.ndim == 2:
        # One large product instead of a batch of small ones with the same right side.
        flat = a if a.ndim == 2 else Reshape((math.prod(a.shape[:-1]), a.shape[-1]))(a)
        result = MatMul()(flat, b)
        shape = (*a.shape[:-2], *rows, *columns)
    else:
        batch = broadcast_shape("matmul", a.shape[:-2], b.shape[:-2])
        result = MatMul()(_expanded(a, batch), _expanded(b, batch))
        shape = (*batch, *rows, *columns)
    return result if result.shape == shape else Reshape(shape)(result)


def transpose(a: TensorBase[TensorT], axis0: int, axis1: int) -> TensorT:
    """Two axes swapped."""
    axes = list(range(a.ndim))
    axes[axis0], axes[axis1] = axis1, axis0
    return Permute(tuple(axes))(a)


def _expanded(a: Any, batch: Shape) -> Any:
    shape = (*batch, *a.shape[-2:])
    return a if a.shape == shape else Expand(shape)(a)
