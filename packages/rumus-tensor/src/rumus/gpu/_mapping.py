"""Memory of a buffer that the host reads or writes, without waiting for what comes behind it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rumus._core.pool import in_parallel
from rumus._core.threads import get_num_threads
from rumus.gpu._errors import GpuError

MAP_READ, MAP_WRITE = 0x1, 0x2
_OFTEN, _SELDOM = 5e-5, 2e-4
"""Seconds between two looks: at first, and after that."""
_SHORT = 0.05
"""Seconds for which it is looked often."""
_SLICE, _THREADS = 1 << 20, 4
"""Bytes that are worth a thread, and threads that copy one array at most: one alone is slower than
memory."""


def copy(into: npt.NDArray[np.uint8], source: npt.NDArray[np.uint8]) -> None:
    """Copy bytes to or from memory of a GPU, by several threads if they are many."""

    def part(k: int) -> None:
        start, stop = (into.size * j // parts for j in (k, k + 1))
        np.copyto(into[start:stop], source[start:stop])

    threads = min(get_num_threads(), _THREADS)
    parts = max(min(into.size // _SLICE, threads), 1)
    in_parallel(part, parts, threads)


def distribute(source: npt.NDArray[np.uint8], targets: Sequence[npt.NDArray[np.uint8]]) -> None:
    """Copy mapped memory to targets, one after the other."""
    at = 0
    for target in targets:
        copy(target, source[at : at + target.size])
        at += target.size


def take_idle(buffer: Any, targets: Sequence[npt.NDArray[np.uint8]]) -> None:
    """Copy to targets, one after the other, what is in a buffer that nothing uses."""
    buffer.map_sync("READ")
    distribute(np.frombuffer(buffer.read_mapped(copy=False), np.uint8), targets)
    buffer.unmap()


class Mapping(Protocol):
    """A buffer that is being mapped. Any thread may ask; one at a time."""

    def is_there(self) -> bool:
        """Whether the memory can be used.

        Raises:
            GpuError: It will never be.
        """
        ...

    def memory(self) -> npt.NDArray[np.uint8]:
        """The memory, until :meth:`end`."""
        ...

    def end(self) -> None:
        """Give it back to the GPU."""
        ...


def wait_for(mapping: Mapping) -> npt.NDArray[np.uint8]:
    """The memory of a mapping, once it is there.

    To wait in the GPU's library would keep everybody else from submitting meanwhile.

    Raises:
        GpuError: It cannot be mapped.
    """
    began = time.monotonic()
    while not mapping.is_there():
        time.sleep(_OFTEN if time.monotonic() - began < _SHORT else _SELDOM)
    return mapping.memory()


class NativeMappings:
    """Maps buffers by the C functions of wgpu-native.

    Args:
        ffi: Of the package.
        lib: Its C functions.
        map_async: The checked function of this name.
        device: The device's handle.
    """

    def __init__(self, ffi: Any, lib: Any, map_async: Any, device: Any) -> None:
        self.ffi, self.lib, self._map_async, self._device = ffi, lib, map_async, device
        self._numbers = count()
        # A buffer may go before it is mapped: what the library calls then has to be there still.
        self._coming: dict[int, list[int]] = {}
        kind = "void(WGPUMapAsyncStatus, WGPUStringView, void *, void *)"
        self._callback = ffi.callback(kind, self._came)

    def begin(self, buffer: Any, mode: int) -> NativeMapping:
        """Map a whole buffer, once the GPU has done what is submitted and uses it."""
        number, said = next(self._numbers), list[int]()
        self._coming[number] = said
        info = self.ffi.new("WGPUBufferMapCallbackInfo *")
        info.mode, info.callback = self.lib.WGPUCallbackMode_AllowProcessEvents, self._callback
        info.userdata1 = self.ffi.cast("void *", number)
        nbytes = self.lib.wgpuBufferGetSize(buffer)
        self._map_async(buffer, mode, 0, nbytes, info[0])
        return NativeMapping(self, buffer, nbytes, mode, said)

    def look(self) -> None:
        """Learn what the GPU has done."""
        self.lib.wgpuDevicePoll(self._device, False, self.ffi.NULL)

    def _came(self, status: int, message: Any, number: Any, _: Any) -> None:
        self._coming.pop(int(self.ffi.cast("uintptr_t", number))).append(status)


class NativeMapping:
    """A mapping that has begun.

    Args:
        mappings: Who has begun it.
        buffer: The buffer's handle.
        nbytes: Of it.
        mode: MAP_READ or MAP_WRITE.
        said: Gets the status when it is known.
    """

    def __init__(
        self, mappings: NativeMappings, buffer: Any, nbytes: int, mode: int, said: list[int]
    ) -> None:
        self._mappings, self._buffer, self._nbytes = mappings, buffer, nbytes
        self._mode, self._said = mode, said

    def is_there(self) -> bool:
        if not self._said:
            self._mappings.look()
        if not self._said:
            return False
        if self._said != [self._mappings.lib.WGPUMapAsyncStatus_Success]:
            raise GpuError(f"a buffer cannot be mapped ({self._said[0]}): the device was lost")
        return True

    def memory(self) -> npt.NDArray[np.uint8]:
        lib = self._mappings.lib
        is_read = self._mode == MAP_READ
        get = lib.wgpuBufferGetConstMappedRange if is_read else lib.wgpuBufferGetMappedRange
        found = self._mappings.ffi.buffer(get(self._buffer, 0, self._nbytes), self._nbytes)
        return np.frombuffer(found, np.uint8)

    def end(self) -> None:
        self._mappings.lib.wgpuBufferUnmap(self._buffer)
