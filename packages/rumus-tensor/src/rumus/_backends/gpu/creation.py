"""Arrays from the host and from nothing."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus import gpu
from rumus._backends.contract import Scalar, Shape
from rumus.gpu import GpuArray

from .movement import contiguous


class Creation:
    """The family's part of the backend.

    Args:
        index: N of the device ``"gpu:N"``.
    """

    def __init__(self, index: int) -> None:
        self.index = index

    def from_host(self, array: npt.NDArray[Any]) -> GpuArray:
        return gpu.from_host(array, self.index)

    def constant(self, array: npt.NDArray[Any]) -> GpuArray:
        with gpu.outside_capture():
            return gpu.persist(gpu.from_host(array, self.index))

    def to_host(self, a: GpuArray) -> npt.NDArray[Any]:
        return gpu.to_host(contiguous(a))

    def full(self, shape: Shape, value: Scalar, dtype: np.dtype[Any]) -> GpuArray:
        return gpu.full(shape, value, dtype, self.index)

    def one(self) -> GpuArray:
        return self._one

    @cached_property
    def _one(self) -> GpuArray:
        with gpu.outside_capture():
            return gpu.persist(gpu.full((), 1.0, np.float32, self.index))
