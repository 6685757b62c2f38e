"""Memory that outlives a step."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from rumus import gpu
from rumus._backends.contract import Shape
from rumus.gpu import GpuArray
from rumus.gpu._array import contiguous_strides


class Memory:
    """The family's part of the backend."""

    index: int

    def flat(self, count: int, dtype: np.dtype[Any]) -> GpuArray:
        return gpu.persist(gpu.zeros((count,), dtype, self.index))

    def place(self, flat: GpuArray, shape: Shape, offset: int) -> GpuArray:
        return GpuArray(flat.storage, shape, contiguous_strides(shape), offset, flat.dtype)

    def most_bytes(self) -> int:
        limits = gpu.limits(self.index)
        return min(limits["max-storage-buffer-binding-size"], limits["max-buffer-size"])

    def elsewhere(self, view: GpuArray, before: GpuArray, after: GpuArray) -> GpuArray:
        if view.storage is not before.storage:
            return view
        offset = after.offset + view.offset - before.offset
        return GpuArray(after.storage, view.shape, view.strides, offset, view.dtype)

    def at_once(self) -> AbstractContextManager[None]:
        return gpu.outside_capture()
