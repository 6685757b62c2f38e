"""Making arrays on a GPU, and moving them to and from the host."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.gpu._array import GpuArray, Shape, contiguous_strides
from rumus.gpu._device import get_device


def empty(shape: Shape, dtype: npt.DTypeLike = np.float32, device_index: int = 0) -> GpuArray:
    """An array with whatever contents its buffer holds.

    Raises:
        GpuUnavailableError: if there is no such device.
        GpuLimitError: if it is larger than the adapter lets a kernel bind.
        GpuOutOfMemoryError: if the GPU has no room.
    """
    kind = np.dtype(dtype)
    storage = get_device(device_index).allocate(prod(shape) * kind.itemsize)
    return GpuArray(storage, shape, contiguous_strides(shape), 0, kind)


def from_host(array: npt.NDArray[Any], device_index: int = 0) -> GpuArray:
    """Copy a numpy array to the GPU; the copy is ordered after everything recorded so far.

    Raises:
        CaptureError: inside a capture, where the values would be frozen.
    """
    device = get_device(device_index)
    data = np.ascontiguousarray(array)
    storage = device.upload(data)
    return GpuArray(storage, array.shape, contiguous_strides(array.shape), 0, data.dtype)


def to_host(array: GpuArray) -> npt.NDArray[Any]:
    """Copy a contiguous array to the host, waiting for everything recorded so far.

    Raises:
        GpuError: whatever went wrong on the device until now.
        CaptureError: inside a capture, where nothing has been computed yet.
    """
    return array.storage.device.read(array)


def persist(array: GpuArray) -> GpuArray:
    """Let captured steps use an array that was made outside of them, for as long as they live.

    Parameters, module buffers and optimizer state are such arrays: one storage, updated in place.
    """
    array.storage.persistent = True
    return array
