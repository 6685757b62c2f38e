"""Read-back that nobody waits for before the values are wanted."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus._core.errors import ArgumentError
from rumus.gpu import _capture
from rumus.gpu._array import GpuArray
from rumus.gpu._device import GpuDevice, get_device
from rumus.gpu._faults import Faults
from rumus.gpu._memory import Buffer
from rumus.gpu._queue import Queue
from rumus.gpu._readback import FAULT_BYTES

_MAP_READ, _COPY_DST = 0x1, 0x8


class _Copy(NamedTuple):
    """A copy to the host's side, in the log."""

    reader: ReadAhead
    buffer: Buffer
    start: int
    faults: Faults

    def record(self, queue: Queue) -> None:
        """Submit it with everything before, so that it is done when that is."""
        reader = self.reader
        queue.use(self.buffer)
        commands, staging = queue.commands(), reader.staging()
        commands.copy(self.buffer.handle, self.start, staging, 0, reader.nbytes)
        commands.copy(
            self.faults.array.storage.buffer.handle, 0, staging, reader.nbytes, FAULT_BYTES
        )
        reader.mark, reader.reported = queue.submit_encoded(), self.faults.reported


class ReadAhead:
    """Reads arrays of one size back, again and again, through memory that is kept.

    An array is copied where :meth:`begin` stands among the work of the GPU, which goes on with what
    comes behind it; :meth:`wait` takes the values, as soon as they are there.

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

    def __init__(self, nbytes: int, device_index: int = 0) -> None:
        if type(nbytes) is not int or nbytes < 4 or nbytes % 4:
            raise ArgumentError(f"nbytes is a multiple of 4 from 4, not {nbytes!r}")
        self.nbytes = nbytes
        self.mark: Any = None
        """Of the submission that has the copy; of the device's thread."""
        self.reported = 0
        """How many faults had been reported by then."""
        self._device: GpuDevice = get_device(device_index)
        self._staging: Any = None
        self._is_reading = False

    def begin(self, array: GpuArray) -> None:
        """Have the array's present values copied.

        Raises:
            ArgumentError: It is not contiguous, has another size or device, does not begin at a
                multiple of 4 bytes, or the values before it were not taken.
            CaptureError: inside a capture.
        """
        _capture.refuse("reads a tensor back, which has no value while the step is recorded")
        start = array.offset * array.dtype.itemsize
        if self._is_reading:
            raise ArgumentError("wait() for the values that were asked for before")
        if not array.is_contiguous or array.nbytes != self.nbytes or start % 4:
            raise ArgumentError(
                f"a ReadAhead of {self.nbytes} bytes takes a contiguous array of as many, which "
                f"begins at a multiple of 4 bytes, not {array!r}"
            )
        if array.storage.device is not self._device:
            raise ArgumentError(f"a ReadAhead of gpu:{self._device.index} was given {array!r}")
        array.bring()
        buffer, device = array.storage.buffer, self._device
        buffer.last_use = device.queue.batch
        self._is_reading = True
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
        self._is_reading = False
        self._device.call(self._take, out)
        return out

    def staging(self) -> Any:
        """The memory that the host can read. On the device's thread."""
        if self._staging is None:
            make = self._device.gpu.create_buffer
            self._staging = make(size=self.nbytes + FAULT_BYTES, usage=_MAP_READ | _COPY_DST)
        return self._staging

    def _take(self, out: npt.NDArray[Any]) -> None:
        device = self._device
        device.queue.encode()
        mark, self.mark = self.mark, None
        if mark is None:  # what went wrong is raised by who called
            return
        faults = np.empty(FAULT_BYTES, np.uint8)
        device.driver.take(self._staging, mark, (out.reshape(-1).view(np.uint8), faults))
        if self.reported == device.faults.reported:
            device.faults.seen = faults.view(np.int32)
            device.faults.check()
