"""Read-back that nobody waits for before the values are wanted."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus._core.errors import ArgumentError
from rumus.gpu import _capture
from rumus.gpu._array import GpuArray
from rumus.gpu._device import GpuDevice, get_device
from rumus.gpu._faults import Faults
from rumus.gpu._mapping import MAP_READ, Mapping, distribute, take_idle, wait_for
from rumus.gpu._memory import Buffer
from rumus.gpu._queue import Queue
from rumus.gpu._readback import FAULT_BYTES

_COPY_DST = 0x8


class _Copy(NamedTuple):
    """A copy to the host's side, in the log."""

    reader: ReadAhead
    buffer: Buffer
    start: int
    faults: Faults

    def record(self, queue: Queue) -> None:
        """Have it copied with the batch."""
        reader = self.reader
        queue.then(reader.submitted)
        queue.use(self.buffer)
        commands, staging = queue.commands(), reader.staging()
        commands.copy(self.buffer.handle, self.start, staging, 0, reader.nbytes)
        commands.copy(
            self.faults.array.storage.buffer.handle, 0, staging, reader.nbytes, FAULT_BYTES
        )
        reader.reported = self.faults.reported


class ReadAhead:
    """Reads arrays of one size back, again and again, through memory that is kept.

    An array is copied where :meth:`begin` stands among the work of the GPU, which goes on with what
    comes behind it; :meth:`wait` takes the values, as soon as they are there, in any thread.

    Args:
        nbytes: of the arrays, a multiple of 4.
        device_index: N of the device ``"gpu:N"``.

    Raises:
        ArgumentError: ``nbytes`` is not a multiple of 4, or none.

    Example:
        >>> from rumus.gpu import from_host
        >>> reader = ReadAhead(12)
        >>> reader.begin(from_host(np.arange(3, dtype=np.int32)))
        >>> reader.wait(np.empty(3, np.int32)).tolist()
        [0, 1, 2]
    """

    nbytes: int
    reported: int

    def __init__(self, nbytes: int, device_index: int = 0) -> None:
        self.nbytes = checked_size(nbytes)
        self.reported = 0
        """How many faults had been reported when the copy was recorded."""
        self._device: GpuDevice = get_device(device_index)
        self._staging: Any = None
        self._mark: Any = None
        self._mapping: Mapping | None = None
        self._is_reading = False
        self._is_submitted = threading.Event()

    def begin(self, array: GpuArray) -> None:
        """Have the array's present values copied.

        Raises:
            ArgumentError: It is not contiguous, has another size or device, does not begin at a
                multiple of 4 bytes, or the values before it were not taken.
            CaptureError: inside a capture.
        """
        _capture.refuse("reads a tensor back, which has no value while the step is recorded")
        if self._is_reading:
            raise ArgumentError("wait() for the values that were asked for before")
        device = self._device
        start = checked_place(array, self.nbytes, device, "ReadAhead")
        array.bring()
        buffer = array.storage.buffer
        buffer.last_use = device.queue.batch
        self._is_reading = True
        self._is_submitted.clear()
        device.log.append(_Copy(self, buffer, start, device.faults))
        device.hand_over()

    def wait(self, out: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The values, in a contiguous array of as many bytes.

        Raises:
            ArgumentError: Nothing was begun, or ``out`` does not fit.
            GpuError: whatever went wrong on the device until now.
        """
        if not self._is_reading or out.nbytes != self.nbytes or not out.flags.c_contiguous:
            raise ArgumentError(
                f"wait() follows begin(), and takes a contiguous array of {self.nbytes} bytes, "
                f"not of {out.nbytes}"
            )
        faults = np.zeros(FAULT_BYTES, np.uint8)
        self._is_submitted.wait()
        self._is_reading = False
        self._take(out.reshape(-1).view(np.uint8), faults)
        self._device.see(faults.view(np.int32), self.reported)
        return out

    def staging(self) -> Any:
        """The memory that the host can read. On the device's thread."""
        if self._staging is None:
            make = self._device.gpu.create_buffer
            self._staging = make(size=self.nbytes + FAULT_BYTES, usage=MAP_READ | _COPY_DST)
        return self._staging

    def submitted(self, mark: Any) -> None:
        """The copy is on its way, or has failed. On the device's thread."""
        try:
            self._mark = mark
            if self._staging is not None:
                self._mapping = self._device.driver.map(self._staging, MAP_READ)
        finally:
            self._is_submitted.set()

    def _take(self, *targets: npt.NDArray[np.uint8]) -> None:
        mapping, self._mapping = self._mapping, None
        if mapping is not None:
            distribute(wait_for(mapping), targets)
            mapping.end()
        elif self._staging is not None:
            self._device.submitter.call(self._wait_and_take, targets)

    def _wait_and_take(self, targets: Sequence[npt.NDArray[np.uint8]]) -> None:
        self._device.driver.wait(self._mark)
        take_idle(self._staging, targets)


def checked_size(nbytes: int) -> int:
    """A number of bytes that can be copied on a GPU.

    Raises:
        ArgumentError: It is not a multiple of 4, or none.
    """
    if type(nbytes) is not int or nbytes < 4 or nbytes % 4:
        raise ArgumentError(f"nbytes is a multiple of 4 from 4, not {nbytes!r}")
    return nbytes


def checked_place(array: GpuArray, nbytes: int, device: GpuDevice, who: str) -> int:
    """The byte of its buffer at which an array of so many bytes begins.

    Raises:
        ArgumentError: It is not contiguous, has another size or device, or does not begin at a
            multiple of 4 bytes.
    """
    start = array.offset * array.dtype.itemsize
    if not array.is_contiguous or array.nbytes != nbytes or start % 4:
        raise ArgumentError(
            f"a {who} of {nbytes} bytes takes a contiguous array of as many, which begins at a "
            f"multiple of 4 bytes, not {array!r}"
        )
    if array.storage.device is not device:
        raise ArgumentError(f"a {who} of gpu:{device.index} was given {array!r}")
    return start
