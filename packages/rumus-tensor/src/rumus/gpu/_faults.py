"""Faults that kernels find in their data, such as a class id out of range.

A kernel that sees one stores its code and two numbers in a buffer of the device; the first one
stays. The host looks at it whenever it waits for the GPU anyway, and raises then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.gpu._array import GpuArray, Storage
from rumus.gpu._memory import Buffer

Fault = tuple[str | Callable[[int, int], str], type[Exception]]
"""A message with ``{0}`` and ``{1}`` for the two numbers, as int32, or a function of them that
makes it; and the error to raise."""

_registered: list[Fault] = []


def register(fault: Fault) -> int:
    """The code under which kernels report a fault; the same fault has the same code."""
    if fault not in _registered:
        _registered.append(fault)
    return _registered.index(fault) + 1


class Faults:
    """The fault buffer of one device. Calls are made on the device's thread.

    Args:
        storage: of 16 bytes.
        write: writes to a buffer.
        report: has an error raised by the next call that waits.
    """

    array: GpuArray
    seen: npt.NDArray[np.int32]
    reported: int

    def __init__(
        self,
        storage: Storage,
        write: Callable[[Buffer, npt.NDArray[Any]], None],
        report: Callable[[Exception], None],
    ) -> None:
        storage.persistent = True
        self.array = GpuArray(storage, (4,), (1,), 0, np.dtype(np.int32))
        self._write, self._report = write, report
        self.reported = 0
        """How many were; what was copied from the buffer before the latest is known."""
        self._forget()

    def see(self, found: npt.NDArray[np.int32], reported: int) -> None:
        """Report the fault of an older copy of the buffer, unless one was reported since."""
        if reported == self.reported:
            self.seen = found
            self.check()

    def check(self) -> None:
        """Report the fault that was seen, and forget it."""
        code, first, second, _ = self.seen.tolist()
        if code == 0:
            return
        self.reported += 1
        self._forget()
        message, error = _registered[code - 1]
        text = message.format(first, second) if isinstance(message, str) else message(first, second)
        late = error(text)
        late.add_note(
            "The GPU found this in an operation before this line, which is the first that waits."
        )
        self._report(late)

    def _forget(self) -> None:
        self.seen = np.zeros(4, np.int32)
        self._write(self.array.storage.buffer, self.seen)
