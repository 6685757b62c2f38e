"""The buffer pool of one device.

Buffers come in size classes, eight to a power of two, so that at most an eighth of one is unused.
A buffer goes back to the pool when the last array on it is gone, and is handed out again in queue
order: whatever was recorded before still reads the old contents, because the queue runs in order.
Only a host write jumps that queue, so an upload takes a buffer that nothing recorded lately uses
(:meth:`Pool.take` with ``for_upload``), and the queue submits first what still reads it.

Buffers are taken and given back by single steps of Python's own lists, in any thread, at any line.
A buffer that an interrupt cost its owner in between is one that nothing refers to, and is found so.

What is kept for reuse is bounded: reserved bytes stay within 1.25 × the peak of live bytes.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, MutableSequence
from functools import lru_cache
from typing import Any

SMALLEST = 256
RESERVE_FACTOR = 1.25


class Buffer:
    """A WebGPU buffer, or a part of one, and what the runtime has to know of it."""

    __slots__ = ("groups", "handle", "home", "last_use", "nbytes", "offset", "uid")
    _uids = itertools.count()
    handle: Any
    nbytes: int
    offset: int
    uid: int
    last_use: int

    def __init__(self, handle: Any, nbytes: int, offset: int = 0) -> None:
        self.handle = handle
        self.nbytes = nbytes
        self.offset = offset
        """Where it begins in the WebGPU buffer, in bytes."""
        self.uid = next(Buffer._uids)
        self.last_use = -1
        """The batch that last touched it, or a later one."""
        self.groups: set[tuple[Any, ...]] = set()
        """Keys of the cached bind groups that hold it."""
        self.home: MutableSequence[Buffer] = []
        """Where it goes when nobody uses it."""


@lru_cache(maxsize=4096)
def size_class(nbytes: int) -> int:
    """The smallest class that holds ``nbytes``: a multiple of an eighth of a power of two."""
    if nbytes <= SMALLEST:
        return SMALLEST
    step = max(SMALLEST, 1 << ((nbytes - 1).bit_length() - 4))
    return -(-nbytes // step) * step


class Pool:
    """Hands out buffers and takes them back.

    Args:
        create: makes a WebGPU buffer of so many bytes.
        discard: is told of a buffer that is given up.
        largest: bytes of the largest buffer.
        run: makes a call on the device's thread, where buffers are made and given up.
        settle: takes in what waits to be given back, on that thread.
    """

    reserved: int
    peak: int

    def __init__(
        self,
        create: Callable[[int], Any],
        discard: Callable[[Buffer], object],
        largest: int,
        run: Callable[..., Any] = lambda call, *args: call(*args),
        settle: Callable[[], object] = lambda: None,
    ) -> None:
        self._create = create
        self._discard = discard
        self._largest = largest
        self._run = run
        self._settle = settle
        self._free: dict[int, list[Buffer]] = {}
        """Of each size class the buffers that nobody uses, the oldest first."""
        # Every buffer, so that none is ever part of a garbage cycle: the collector would release
        # its handle in the same breath in which the dying array returns it.
        self._all: dict[int, Buffer] = {}
        self.reserved = self.peak = 0

    @property
    def live(self) -> int:
        """Bytes that are handed out."""
        return self.reserved - sum(size * len(free) for size, free in list(self._free.items()))

    def take(self, nbytes: int, batch: int, for_upload: bool = False) -> Buffer:
        """A buffer of at least ``nbytes``; ``for_upload``, one that ``batch`` has not touched."""
        wanted = min(size_class(nbytes), self._largest & ~15)
        found = self._find(wanted, batch, for_upload)
        if found is not None:
            return found
        made: Buffer = self._run(self._make, wanted, batch, for_upload)
        return made

    def _find(self, wanted: int, batch: int, for_upload: bool) -> Buffer | None:
        free = self._free.get(wanted)
        if not free:
            return None
        return _idle(free, batch) if for_upload else _latest(free)

    def look(self) -> None:
        """Take the bytes that are handed out now into account for the peak."""
        self.peak = max(self.peak, self.live)

    def collect(self) -> None:
        """Take in the buffers that nothing refers to. On the device's thread."""
        free = {buffer for group in self._free.values() for buffer in group}
        for uid in list(self._all):
            if _references(self._all, uid) == _UNUSED and self._all[uid] not in free:
                self._all[uid].home.append(self._all[uid])

    def trim(self) -> None:
        """Give every free buffer back to the driver. On the device's thread."""
        self.collect()
        self._trim(0)

    def _make(self, wanted: int, batch: int, for_upload: bool) -> Buffer:
        self._settle()
        found = self._find(wanted, batch, for_upload)
        if found is not None:
            return found
        peak = max(self.peak, self.live + wanted)
        self._trim(RESERVE_FACTOR * peak - wanted)
        buffer = Buffer(self._create(wanted), wanted)
        buffer.home = self._free.setdefault(wanted, [])
        self._all[buffer.uid] = buffer
        self.reserved += wanted
        self.peak = peak
        return buffer

    def _trim(self, most: float) -> None:
        while self.reserved > most:
            groups = [group for group in self._free.values() if group]
            if not groups:
                return
            try:
                buffer = min(groups, key=lambda group: group[0].last_use).pop(0)
            except IndexError:  # another thread took the last one
                continue
            self.reserved -= buffer.nbytes
            del self._all[buffer.uid]
            self._discard(buffer)


def _latest(free: list[Buffer]) -> Buffer | None:
    try:
        return free.pop()
    except IndexError:  # another thread took the last one
        return None


def _idle(free: list[Buffer], batch: int) -> Buffer | None:
    for buffer in reversed(free.copy()):
        if buffer.last_use < batch:
            try:
                free.remove(buffer)
            except ValueError:  # another thread took it
                continue
            return buffer
    return None


def _references(buffers: dict[int, Buffer], uid: int) -> int:
    buffer = buffers[uid]
    return sys.getrefcount(buffer)


_UNUSED = _references({0: Buffer(None, 0)}, 0)
