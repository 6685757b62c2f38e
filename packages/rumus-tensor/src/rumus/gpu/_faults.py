"""Faults that kernels find in their data, such as a class id out of range.

A kernel that sees one stores its code and two numbers in a buffer of the device; the first one
stays. The host looks at it whenever it waits for the GPU anyway, and raises then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rumus.gpu._array import GpuArray, Storage

if TYPE_CHECKING:
    from rumus.gpu._device import GpuDevice

Fault = tuple[str, type[Exception]]
"""A message with ``{0}`` and ``{1}`` for the two numbers, as int32, and the error to raise."""

_registered: list[Fault] = []


def register(fault: Fault) -> int:
    """The code under which kernels report a fault; the same fault has the same code."""
    if fault not in _registered:
        _registered.append(fault)
    return _registered.index(fault) + 1


class Faults:
    """The fault buffer of one device."""

    def __init__(self, device: GpuDevice) -> None:
        storage = Storage(device, device.pool.take(16, device.batch), 16)
        storage.persistent = True
        self.array = GpuArray(storage, (4,), (1,), 0, np.dtype(np.int32))
        self.seen = np.zeros(4, np.int32)
        device.queue.write(storage.buffer, self.seen)

    def check(self) -> None:
        """Have the fault that was seen raised, and forget it. On the device's thread."""
        code, first, second, _ = self.seen.tolist()
        if code == 0:
            return
        self.seen = np.zeros(4, np.int32)
        device = self.array.storage.device
        device.queue.write(self.array.storage.buffer, self.seen)
        message, error = _registered[code - 1]
        device.report(error(message.format(first, second)))
