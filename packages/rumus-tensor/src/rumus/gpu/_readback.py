"""Read-back: copies to mappable staging buffers, and from there to numpy.

A large array is cut into pieces whose copies are all submitted at once; a few threads empty the
pieces while the GPU fills the next ones, because one thread alone is held up by the page faults of
the new numpy array. Every read-back fetches the fault buffer as well.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rumus.gpu._array import GpuArray

if TYPE_CHECKING:
    from rumus.gpu._device import GpuDevice

PIECE = 8 << 20
"""Bytes of one staging buffer for large arrays."""
THREADS = 4
"""Threads that empty staging buffers."""
KEPT = 8
"""Staging buffers that are kept for the next read-back."""
_MAP_READ, _COPY_DST = 0x1, 0x8
_FAULT_BYTES = 16


class Readback:
    """The staging buffers of one device. Calls are made under the device's lock."""

    def __init__(self, device: GpuDevice) -> None:
        self._device = device
        self._idle: list[Any] = []

    def read(self, array: GpuArray) -> npt.NDArray[Any]:
        """Wait for everything recorded and return the elements of a contiguous array."""
        result = np.empty(array.shape, array.dtype)
        target = result.reshape(-1).view(np.uint8)
        first = array.offset * array.dtype.itemsize
        # Copies are whole words: start at the word before the first byte, end after the last.
        lead = first & 3
        total = (lead + array.nbytes + 3) & ~3
        pieces = [(at, min(PIECE, total - at)) for at in range(0, total, PIECE)] or [(0, 0)]
        staged = [self._stage(array, first - lead + at, size) for at, size in pieces]
        self._device.flush()
        promises = [buffer.map_async("READ") for buffer in staged]
        jobs = []
        for (at, size), buffer, promise in zip(pieces, staged, promises, strict=True):
            promise.sync_wait()
            words = np.frombuffer(buffer.read_mapped(copy=False), np.uint8)
            low, high = max(at, lead), min(at + size, lead + array.nbytes)
            into, source = target[low - lead : high - lead], words[low - at : high - at]
            if len(pieces) == 1:
                np.copyto(into, source)
            else:
                jobs.append(self._threads.submit(np.copyto, into, source))
        for job in jobs:
            job.result()
        self._device.faults.seen = words[size : size + _FAULT_BYTES].view(np.int32).copy()
        del words, source
        for buffer in staged:
            buffer.unmap()
        self._idle = (self._idle + staged)[-KEPT:]
        return result

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS, "rumus-readback")

    def _stage(self, array: GpuArray, start: int, size: int) -> Any:
        buffer = self._staging(size + _FAULT_BYTES)
        encoder = self._device.encoder
        if size:
            encoder.copy(array.storage.buffer.handle, start, buffer, 0, size)
        fault = self._device.faults.array.storage.buffer.handle
        encoder.copy(fault, 0, buffer, size, _FAULT_BYTES)
        return buffer

    def _staging(self, size: int) -> Any:
        for position, buffer in enumerate(self._idle):
            if size <= buffer.size <= max(4096, 2 * size):
                return self._idle.pop(position)
        room = max(4096, 1 << (size - 1).bit_length()) if size < PIECE else PIECE + 4096
        return self._device.gpu.create_buffer(size=room, usage=_MAP_READ | _COPY_DST)
