"""Uploads through memory that is kept, which another thread fills while the GPU works on."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus._core.errors import ArgumentError
from rumus.gpu import _capture
from rumus.gpu._array import GpuArray
from rumus.gpu._device import GpuDevice, get_device
from rumus.gpu._mapping import MAP_WRITE, Mapping, copy, wait_for
from rumus.gpu._memory import Buffer
from rumus.gpu._queue import Queue
from rumus.gpu._read_ahead import checked_place, checked_size

_COPY_SRC = 0x4


class _Copy(NamedTuple):
    """A copy from the host's side, in the log."""

    writer: WriteAhead
    buffer: Buffer
    start: int

    def record(self, queue: Queue) -> None:
        """Have it copied with the batch."""
        writer = self.writer
        queue.then(writer.submitted)
        queue.use(self.buffer)
        staging = writer.filled()
        queue.commands().copy(staging, 0, self.buffer.handle, self.start, writer.nbytes)


class WriteAhead:
    """Overwrites arrays of one size, again and again, through memory that is kept.

    :meth:`fill` copies values there, in any thread, and :meth:`put` has them copied into an array
    where it stands among the work of the GPU. Neither waits for the GPU, but a second ``fill`` for
    the first ``put``.

    Args:
        nbytes: of the arrays, a multiple of 4.
        device_index: N of the device ``"gpu:N"``.

    Raises:
        ArgumentError: ``nbytes`` is not a multiple of 4, or none.

    Example:
        >>> from rumus.gpu import empty, to_host
        >>> writer, array = WriteAhead(12), empty((3,), np.int32)
        >>> writer.fill(np.arange(3, dtype=np.int32))
        >>> writer.put(array)
        >>> to_host(array).tolist()
        [0, 1, 2]
    """

    nbytes: int

    def __init__(self, nbytes: int, device_index: int = 0) -> None:
        self.nbytes = checked_size(nbytes)
        self._device: GpuDevice = get_device(device_index)
        self._staging: Any = None
        self._mapping: Mapping | None = None
        self._values: npt.NDArray[np.uint8] | None = None
        """What was filled in, where the driver cannot map without waiting."""
        self._is_filled = False
        self._is_free = threading.Event()
        self._is_free.set()

    def fill(self, values: npt.NDArray[Any]) -> None:
        """Take the values, which may change afterwards.

        Raises:
            ArgumentError: They are not contiguous, not of this size, or those before were not put.
            GpuError: The device was lost.
        """
        if self._is_filled or values.nbytes != self.nbytes or not values.flags.c_contiguous:
            raise ArgumentError(
                f"fill() takes a contiguous array of {self.nbytes} bytes, not of {values.nbytes}, "
                "and the values before are put() first"
            )
        if not self._is_free.is_set():
            self._device.hand_over()
            self._is_free.wait()
        raw = values.reshape(-1).view(np.uint8)
        if self._staging is None:
            self._device.submitter.call(self._make)
        if self._mapping is None:
            self._values = raw.copy()
        else:
            copy(wait_for(self._mapping)[: self.nbytes], raw)
        self._is_filled = True

    def put(self, array: GpuArray) -> None:
        """Have the values copied into an array.

        Raises:
            ArgumentError: Nothing was filled in; the array is not contiguous, has another size or
                device, or does not begin at a multiple of 4 bytes.
            CaptureError: inside a capture.
        """
        _capture.refuse("uploads a host array, whose values every replay would repeat")
        if not self._is_filled:
            raise ArgumentError("put() follows fill()")
        device = self._device
        start = checked_place(array, self.nbytes, device, "WriteAhead")
        self._is_filled = False
        if self._values is not None:
            values, self._values = self._values, None
            device.overwrite(array, values)
            return
        array.bring()
        buffer = array.storage.buffer
        buffer.last_use = device.queue.batch
        self._is_free.clear()
        device.ahead = None
        device.log.append(_Copy(self, buffer, start))

    def filled(self) -> Any:
        """The memory, as the GPU's. On the device's thread."""
        mapping, self._mapping = self._mapping, None
        if mapping is not None:
            mapping.end()
        return self._staging

    def submitted(self, mark: Any) -> None:
        """The copy is on its way, or has failed. On the device's thread."""
        try:
            self._mapping = self._device.driver.map(self._staging, MAP_WRITE)
        finally:
            self._is_free.set()

    def _make(self) -> None:
        make = self._device.gpu.create_buffer
        self._staging = make(size=self.nbytes, usage=MAP_WRITE | _COPY_SRC)
        self._mapping = self._device.driver.map(self._staging, MAP_WRITE)
