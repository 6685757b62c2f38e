"""The buffer pool of one device.

Buffers come in size classes, eight to a power of two, so that at most an eighth of one is unused.
A buffer goes back to the pool when the last array on it is gone, and is handed out again in queue
order: whatever was recorded before still reads the old contents, because the queue runs in order.
Only a host write jumps that queue, so a buffer that is to be written from the host must have
nothing recorded and not yet submitted (:meth:`Pool.take` with ``for_upload``).

What is kept for reuse is bounded: reserved bytes stay within 1.25 × the peak of live bytes.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any

SMALLEST = 256
RESERVE_FACTOR = 1.25


class Buffer:
    """A WebGPU buffer, or a part of one, and what the runtime has to know of it."""

    __slots__ = ("groups", "handle", "last_use", "nbytes", "offset", "uid")
    _uids = itertools.count()

    def __init__(self, handle: Any, nbytes: int, offset: int = 0) -> None:
        self.handle = handle
        self.nbytes = nbytes
        self.offset = offset
        """Where it begins in the WebGPU buffer, in bytes."""
        self.uid = next(Buffer._uids)
        self.last_use = -1
        """The batch that last touched it."""
        self.groups: set[tuple[int, ...]] = set()
        """Keys of the cached bind groups that hold it."""


@lru_cache(maxsize=4096)
def size_class(nbytes: int) -> int:
    """The smallest class that holds ``nbytes``: a multiple of an eighth of a power of two."""
    if nbytes <= SMALLEST:
        return SMALLEST
    step = max(SMALLEST, 1 << ((nbytes - 1).bit_length() - 4))
    return -(-nbytes // step) * step


class Pool:
    """Hands out buffers and takes them back. Calls are made under the device's lock."""

    def __init__(
        self, create: Callable[[int], Any], discard: Callable[[Buffer], None], largest: int
    ) -> None:
        self._create = create
        self._discard = discard
        self._largest = largest
        self._free: OrderedDict[int, Buffer] = OrderedDict()
        self._classes: dict[int, list[Buffer]] = {}
        # Every buffer, so that none is ever part of a garbage cycle: the collector would release
        # its handle in the same breath in which the dying array returns it.
        self._all: dict[int, Buffer] = {}
        # Arrays die in any thread, at any line, even while the lock is held: their buffers wait
        # in this queue, whose append is atomic.
        self.returned: deque[Buffer] = deque()
        self.live = self.reserved = self.peak = 0

    def take(self, nbytes: int, batch: int, for_upload: bool = False) -> Buffer:
        """A buffer of at least ``nbytes``; ``for_upload``, one that ``batch`` has not touched."""
        if self.returned:
            self.collect()
        wanted = min(size_class(nbytes), self._largest & ~15)
        self.live += wanted
        if self.live > self.peak:
            self.peak = self.live
        candidates = self._classes.get(wanted)
        if candidates:
            position = _last_idle(candidates, batch) if for_upload else len(candidates) - 1
            if position >= 0:
                buffer = candidates.pop(position)
                del self._free[buffer.uid]
                return buffer
        self._trim(RESERVE_FACTOR * self.peak - wanted)
        try:
            handle = self._create(wanted)
        except BaseException:
            self.live -= wanted
            raise
        self.reserved += wanted
        buffer = Buffer(handle, wanted)
        self._all[buffer.uid] = buffer
        return buffer

    def collect(self) -> None:
        """Take in the buffers of arrays that died."""
        while self.returned:
            buffer = self.returned.popleft()
            self.live -= buffer.nbytes
            self._free[buffer.uid] = buffer
            self._classes.setdefault(buffer.nbytes, []).append(buffer)

    def trim(self) -> None:
        """Give every free buffer back to the driver."""
        self.collect()
        self._trim(0)

    def _trim(self, most: float) -> None:
        while self.reserved > most and self._free:
            _, buffer = self._free.popitem(last=False)
            self._classes[buffer.nbytes].remove(buffer)
            self.reserved -= buffer.nbytes
            del self._all[buffer.uid]
            self._discard(buffer)


def _last_idle(candidates: list[Buffer], batch: int) -> int:
    for position in range(len(candidates) - 1, -1, -1):
        if candidates[position].last_use < batch:
            return position
    return -1
