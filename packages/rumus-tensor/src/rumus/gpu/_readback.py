"""Read-back: copies to mappable staging buffers, and from there to numpy.

A large array goes through a few staging buffers piece by piece: some threads empty them while the
GPU fills the others, because one thread alone is held up by the page faults of the new numpy array.
Every read-back fetches the fault buffer as well.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus.gpu._array import GpuArray
from rumus.gpu._faults import Faults
from rumus.gpu._queue import Queue

PIECE = 8 << 20
"""Bytes of one staging buffer for large arrays."""
STAGING = 8
"""Staging buffers in use at a time; as many are kept for the next read-back."""
THREADS = 4
"""Threads that empty staging buffers."""
_MAP_READ, _COPY_DST = 0x1, 0x8
FAULT_BYTES = 16

Bytes = npt.NDArray[np.uint8]


class _Piece(NamedTuple):
    """A part of an array on its way."""

    target: Bytes
    """Where it goes."""
    skipped: int
    """Bytes in the staging buffer before it."""
    buffer: Any
    promise: Any
    """Kept when the GPU has filled the buffer."""


class Readback:
    """The staging buffers of one device. Calls are made on the device's thread.

    Args:
        gpu: the WebGPU device.
        queue: takes the copies.
        faults: are fetched along.
    """

    def __init__(self, gpu: Any, queue: Queue, faults: Faults) -> None:
        self._gpu = gpu
        self._queue = queue
        self._faults = faults
        self._idle: list[Any] = []

    def read(self, array: GpuArray, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Wait for everything recorded and return the elements of a contiguous array."""
        result = np.empty(array.shape, array.dtype) if out is None else out
        target = result.reshape(-1).view(np.uint8)
        rest = deque(range(0, target.size, PIECE) or [0])
        only = len(rest) == 1
        copied: deque[_Piece] = deque()
        emptied: deque[tuple[Any, Future[None]]] = deque()
        while rest or copied or emptied:
            if rest and len(copied) + len(emptied) < STAGING:
                at = rest.popleft()
                copied.append(self._copy(array, at, target[at : at + PIECE]))
            elif copied and len(emptied) < THREADS:
                piece = copied.popleft()
                emptied.append((piece.buffer, self._empty(piece, at_once=only)))
            else:
                buffer, job = emptied.popleft()
                job.result()
                buffer.unmap()
                self._idle = [*self._idle, buffer][-STAGING:]
        return result

    def _copy(self, array: GpuArray, at: int, target: Bytes) -> _Piece:
        """Have the bytes from ``at`` on copied to a staging buffer, and the faults behind them."""
        start = array.offset * array.dtype.itemsize + at
        # Copies are whole words: start at the word before the first byte, end after the last.
        skipped = start & 3
        words = (skipped + target.size + 3) & ~3
        buffer = self._staging(words + FAULT_BYTES)
        commands = self._queue.commands()
        if words:
            commands.copy(array.storage.buffer.handle, start - skipped, buffer, 0, words)
        fault = self._faults.array.storage.buffer.handle
        commands.copy(fault, 0, buffer, words, FAULT_BYTES)
        self._queue.submit()
        return _Piece(target, skipped, buffer, buffer.map_async("READ"))

    def _empty(self, piece: _Piece, at_once: bool) -> Future[None]:
        """Have a piece brought to its target, once the GPU has filled the buffer."""
        target, skipped, buffer, promise = piece
        promise.sync_wait()
        mapped = np.frombuffer(buffer.read_mapped(copy=False), np.uint8)
        faults = (skipped + target.size + 3) & ~3
        self._faults.seen = mapped[faults : faults + FAULT_BYTES].view(np.int32).copy()
        source = mapped[skipped : skipped + target.size]
        if not at_once:
            return self._threads.submit(np.copyto, target, source)
        done: Future[None] = Future()
        np.copyto(target, source)
        done.set_result(None)
        return done

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS, "rumus-readback")

    def _staging(self, size: int) -> Any:
        for position, buffer in enumerate(self._idle):
            if size <= buffer.size <= max(4096, 2 * size):
                return self._idle.pop(position)
        room = max(4096, 1 << (size - 1).bit_length()) if size < PIECE else PIECE + 4096
        return self._gpu.create_buffer(size=room, usage=_MAP_READ | _COPY_DST)
