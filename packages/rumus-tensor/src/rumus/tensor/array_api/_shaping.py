"""Shapes, where the array API's signatures are not those of our functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rumus.tensor import _moving
from rumus.tensor._joining import cat
from rumus.tensor._tensor import Tensor


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """Tensors broadcast against each other."""
    return list(_moving.broadcast_arrays(*arrays))


def meshgrid(*arrays: Tensor, indexing: Literal["xy", "ij"] = "xy") -> list[Tensor]:
    """The coordinates of a grid."""
    return list(_moving.meshgrid(*arrays, indexing=indexing))


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """Tensors joined along an axis; without one, each is flattened first."""
    if axis is None:
        return cat([x.reshape(-1) for x in arrays])
    return cat(arrays, axis)


def expand_dims(x: Tensor, /, axis: int = 0) -> Tensor:
    """The tensor with a new axis of length one."""
    return x.unsqueeze(axis)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """The last two axes swapped."""
    return x.transpose(-2, -1)


def permute_dims(x: Tensor, /, axes: Sequence[int]) -> Tensor:
    """The axes in another order."""
    return x.permute(tuple(axes))


def reshape(x: Tensor, /, shape: Sequence[int], *, copy: bool | None = None) -> Tensor:
    """The same elements under another shape."""
    result = x.reshape(tuple(shape))
    return result.contiguous() if copy else result
