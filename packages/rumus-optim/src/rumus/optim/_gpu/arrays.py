"""Views of device arrays."""

from __future__ import annotations

import math

from rumus.gpu import GpuArray
from rumus.optim._contract import F32, Shape
from rumus.tensor import Tensor, from_numpy


def contiguous_strides(shape: Shape) -> Shape:
    """Row-major strides, in elements."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def view(flat: GpuArray, shape: Shape, offset: int) -> GpuArray:
    """Elements of an array's storage, from ``offset`` on, under a shape."""
    return GpuArray(flat.storage, shape, contiguous_strides(shape), offset, flat.dtype)


def aligned(grad: GpuArray) -> GpuArray:
    """A gradient that can be read in vectors of four: itself, or a copy."""
    if grad.is_contiguous and grad.offset % 4 == 0:
        return grad
    return (Tensor.from_array(grad) * 1.0).contiguous().array  # type: ignore[no-any-return]


def overwrite(target: GpuArray, values: F32) -> None:
    """Copy values from the host into an array that stays where it is."""
    place = Tensor.from_array(target)
    place.copy_(from_numpy(values).to(place.device))
