"""Arrays on a GPU: a shape and strides over a storage, which is a buffer while anybody holds it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from rumus.gpu._device import GpuDevice
    from rumus.gpu._memory import Buffer
    from rumus.gpu._recording import Recording

Shape = tuple[int, ...]


class Storage:
    """A buffer that goes back to the pool when the last array on it is gone.

    ``nbytes`` is what was asked for; the buffer is at least that, padded to a multiple of 16 bytes,
    so that a kernel may write whole vectors past the end.
    """

    __slots__ = ("buffer", "device", "nbytes", "owner", "persistent")

    def __init__(self, device: GpuDevice, buffer: Buffer, nbytes: int) -> None:
        self.device = device
        self.buffer = buffer
        self.nbytes = nbytes
        self.owner: Recording | None = None
        """The recording that made it, whose replays write it for as long as it lives."""
        self.persistent = False
        """Whether a capture may use it although it was made outside (see :func:`persist`)."""

    def __del__(self) -> None:
        owner = self.owner
        if owner is None:
            self.device.pool.returned.append(self.buffer)
        else:
            owner.returned.append(self.buffer)


class GpuArray:
    """Elements of a storage, seen under a shape, strides and an offset.

    Attributes:
        storage: where the elements lie.
        shape: one length an axis.
        strides: elements from one index to the next, one an axis; 0 where broadcast.
        offset: the first element's position in the storage, in elements.
        dtype: float32, int32, and float16, uint8 or bool packed into 32-bit words.
    """

    __slots__ = ("__weakref__", "dtype", "offset", "shape", "size", "storage", "strides")

    def __init__(
        self,
        storage: Storage,
        shape: Shape,
        strides: tuple[int, ...],
        offset: int,
        dtype: np.dtype[Any],
    ) -> None:
        self.storage = storage
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.dtype = dtype
        self.size = prod(shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        return self.size * self.dtype.itemsize

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        expected = 1
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1 and stride != expected:
                return self.size == 0
            expected *= length
        return True

    @property
    def device_index(self) -> int:
        """N of the device ``"gpu:N"``."""
        return self.storage.device.index

    def __repr__(self) -> str:
        return f"GpuArray(shape={self.shape}, dtype={self.dtype}, device=gpu:{self.device_index})"


def contiguous_strides(shape: Shape) -> tuple[int, ...]:
    """Row-major strides of a shape, in elements."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def empty(shape: Shape, dtype: npt.DTypeLike = np.float32, device_index: int = 0) -> GpuArray:
    """An array with whatever contents its buffer holds.

    Raises:
        GpuUnavailableError: if there is no such device.
        GpuLimitError: if it is larger than the adapter lets a kernel bind.
        GpuOutOfMemoryError: if the GPU has no room.
    """
    from rumus.gpu._device import get_device

    device = get_device(device_index)
    kind = np.dtype(dtype)
    storage = device.allocate(prod(shape) * kind.itemsize)
    return GpuArray(storage, shape, contiguous_strides(shape), 0, kind)


def from_host(array: npt.NDArray[Any], device_index: int = 0) -> GpuArray:
    """Copy a numpy array to the GPU; the copy is ordered after everything recorded so far.

    Raises:
        CaptureError: inside a capture, where the values would be frozen.
    """
    from rumus.gpu._device import get_device

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
