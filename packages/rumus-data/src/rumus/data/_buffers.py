"""Memory for batches that is used again once nobody can see it any more."""

from __future__ import annotations

import math
import weakref
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

_SMALLEST = 1 << 16  # below this, numpy's own allocation costs less than the bookkeeping
_LINE = 64  # bytes of a processor's cache line


class BufferPool:
    """Hands out arrays whose memory comes back by itself.

    Each array stands on a memoryview of its own, which numpy keeps alive as long as the array or
    any view of it exists. When that memoryview dies, nobody can see the memory, and only then is it
    handed out again. This holds on builds of Python with and without a global lock.

    Args:
        keep: The most buffers that wait unused; further ones are given back to the system.
    """

    def __init__(self, keep: int | None = 8) -> None:
        self._free: deque[_Memory] = deque(maxlen=keep)
        self._leases: dict[int, weakref.ref[memoryview]] = {}

    def __reduce__(self) -> tuple[type[BufferPool], tuple[int | None]]:
        return BufferPool, (self._free.maxlen,)

    def empty(
        self,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        source: npt.NDArray[Any] | None = None,
    ) -> npt.NDArray[Any]:
        """An array of any content, like :func:`numpy.empty`.

        Args:
            shape: Its shape.
            dtype: Its element type.
            source: What will be copied into it. The array then begins at the same place of a cache
                line, which makes copies of long rows up to a half faster.
        """
        dtype = np.dtype(dtype)
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes < _SMALLEST or dtype.hasobject:
            return np.empty(shape, dtype)
        memory = self._take(nbytes + _LINE)
        start = 0 if source is None else source.ctypes.data
        offset = (start - memory.address) % _LINE
        array = np.frombuffer(memory.bytes.data, dtype, nbytes // dtype.itemsize, offset)
        lease = array.base  # the memoryview that numpy keeps for this array and all its views
        assert isinstance(lease, memoryview)
        key = id(lease)
        self._leases[key] = weakref.ref(lease, _Return(self._free, self._leases, memory, key))
        return array.reshape(shape)

    def _take(self, nbytes: int) -> _Memory:
        for _ in range(len(self._free)):
            try:
                memory = self._free.pop()
            except IndexError:
                break
            if nbytes <= memory.nbytes <= 2 * nbytes:
                return memory
        return _Memory(nbytes)


class _Memory:
    """Bytes, with what takes numpy a microsecond to say about them."""

    __slots__ = ("address", "bytes", "nbytes")

    def __init__(self, nbytes: int) -> None:
        self.bytes = np.empty(nbytes, np.uint8)
        self.address = self.bytes.ctypes.data
        self.nbytes = nbytes


class _Return:
    """Puts memory back when the memoryview over it has died."""

    __slots__ = ("_free", "_key", "_leases", "_memory")

    def __init__(
        self,
        free: deque[_Memory],
        leases: dict[int, weakref.ref[memoryview]],
        memory: _Memory,
        key: int,
    ) -> None:
        self._free, self._leases, self._memory, self._key = free, leases, memory, key

    def __call__(self, lease: weakref.ref[memoryview]) -> None:
        if self._leases.get(self._key) is lease:
            del self._leases[self._key]
        self._free.append(self._memory)
