"""Products with weights."""

from __future__ import annotations

import math

from rumus._core.base import TensorBase
from rumus._core.described import type_name
from rumus._core.dtypes import common_dtype, float16, float32
from rumus._core.errors import DTypeError, ShapeError
from rumus.tensor._ops.matmul import Linear
from rumus.tensor._ops.movement import Reshape
from rumus.tensor._tensor import Tensor

from ._loss_checks import check_tensors


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias``.

    Args:
        x: Of shape (…, in).
        weight: Of shape (out, in).
        bias: Of shape (out,).

    Returns:
        Of shape (…, out).

    Raises:
        ShapeError: The shapes do not fit.
        DTypeError: x has another dtype than the weight.
        DeviceError: They are on different devices.

    Example:
        >>> from rumus.tensor import tensor
        >>> linear(tensor([1.0, 2.0]), tensor([[1.0, 1.0]])).tolist()
        [3.0]
    """
    if not isinstance(x, TensorBase):
        raise DTypeError(f"Linear takes tensors, not a {type_name(x)}")
    if weight.ndim != 2 or x.shape[-1:] != weight.shape[1:]:
        raise ShapeError(
            f"linear: a weight of shape {weight.shape}, (out, in), takes (…, in), not {x.shape}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"linear: the bias has shape {bias.shape}, not {weight.shape[:1]}")
    if x.dtype != weight.dtype:
        raise DTypeError(
            f"Linear: the input is {x.dtype}, the weight {weight.dtype}; "
            "convert one with .to(dtype)"
        )
    rows = x if x.ndim == 2 else Reshape((math.prod(x.shape[:-1]), x.shape[-1]))(x)
    y: Tensor = Linear()(rows, weight) if bias is None else Linear()(rows, weight, bias)
    return y if x.ndim == 2 else Reshape((*x.shape[:-1], weight.shape[0]))(y)


def bilinear(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``sum over i and j of x1[i] * weight[k, i, j] * x2[j] + bias[k]``.

    Args:
        x1: Of shape (…, in1).
        x2: Of shape (…, in2).
        weight: Of shape (out, in1, in2).
        bias: Of shape (out,).

    Returns:
        Of shape (…, out).

    Raises:
        ShapeError: The shapes do not fit.

    Example:
        >>> from rumus.tensor import ones
        >>> bilinear(ones(4, 2), ones(4, 3), ones(5, 2, 3)).shape
        (4, 5)
    """
    check_tensors("bilinear", x1, x2, weight, bias)
    if (
        weight.ndim != 3
        or x1.shape[:-1] != x2.shape[:-1]
        or (x1.shape[-1:], x2.shape[-1:]) != (weight.shape[1:2], weight.shape[2:])
    ):
        raise ShapeError(
            f"bilinear: a weight of shape {weight.shape}, (out, in1, in2), takes (…, in1) and "
            f"(…, in2), not {x1.shape} and {x2.shape}"
        )
    given = [x1, x2, weight] if bias is None else [x1, x2, weight, bias]
    if common_dtype([t.dtype for t in given]) == float16:
        return bilinear(*(t.to(float32) for t in given)).to(float16)
    outputs, first, second = weight.shape
    rows = math.prod(x1.shape[:-1])
    # x1 with all matrices side by side, then with x2
    inside = x1.reshape(rows, first) @ weight.permute(1, 0, 2).reshape(first, outputs * second)
    y = (inside.reshape(rows, outputs, second) @ x2.reshape(rows, second, 1)).reshape(rows, outputs)
    y = y if bias is None else y + bias
    return y.reshape(*x1.shape[:-1], outputs)
