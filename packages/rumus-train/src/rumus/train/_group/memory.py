"""Memory that other ranks of the same host read, so that what goes to them is copied once.

It is a file without a name (``memfd_create``), which the others open through ``/proc`` and map.
What is sent to them then is where in it something lies; they copy it or use it there, and say so.
On hosts where that cannot be done, and between hosts, the messages are the data themselves.
"""

from __future__ import annotations

import mmap
import os
import struct
import weakref
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rumus.tensor import get_num_threads

from .contract import Array

_LEAST = 4096
"""Bytes of a message that is worth it."""
_MOST = 1 << 30
"""Bytes of one that is sent in several parts."""
_SLICE = 1 << 20
"""Bytes that are worth a thread."""
_THREADS = 4
"""That copy a message, at most."""
_PLACE = struct.Struct("<qqqqq")
"""Which file it is, its number now, its bytes; where in it a message lies, and its bytes."""
PLACE_BYTES = _PLACE.size


class Block(NamedTuple):
    """A file in memory, of this process.

    Attributes:
        serial: No other one has the same.
        file: Its number while it is open.
        start: Where it is mapped.
        nbytes: Of it.
    """

    serial: int
    file: int
    start: int
    nbytes: int


class Mapped(NamedTuple):
    """A file of another process.

    Attributes:
        file: Its number there while it is open.
        identity: No other one has the same.
        array: Its bytes.
    """

    file: int
    identity: tuple[int, int]
    array: Array


class SharedMemory:
    """The memory of this rank that others read, and that of others.

    Attributes:
        readers: The ranks that can read that of this one.
    """

    readers: frozenset[int]

    def __init__(self) -> None:
        self.readers = frozenset()
        self._serials = count()
        self._blocks: dict[int, Block] = {}
        self._processes: dict[int, int] = {}
        self._mapped: dict[int, dict[int, Mapped]] = {}
        self._probe: Array | None = None
        self._threads = min(get_num_threads(), _THREADS)

    def probe(self) -> int:
        """The number of a small file that others try to read; -1 if there can be none."""
        with suppress(AttributeError, OSError):
            self._probe = self._make(PLACE_BYTES)
            self._probe[:] = _mark(os.getpid())
            return next(iter(self._blocks.values())).file
        return -1

    def tried(self, probes: Mapping[int, tuple[int, int]]) -> list[int]:
        """The ranks whose memory this one can read.

        Args:
            probes: The process and the number of the file, by rank.
        """
        found = []
        for rank, (process, file) in probes.items():
            self._processes[rank] = process
            with suppress(OSError, ValueError):
                if file >= 0 and self._map(rank, file, PLACE_BYTES).array[0] == _mark(process):
                    found.append(rank)
        return found

    def read_by(self, ranks: Iterable[int]) -> None:
        """Learn which ranks can read that of this one."""
        self.readers, self._probe = frozenset(ranks), None

    def empty(self, nbytes: int) -> npt.NDArray[np.uint8]:
        """Memory for what is sent; of the ordinary kind if nobody can read the other."""
        if nbytes <= _LEAST or not self.readers:
            return np.empty(nbytes, np.uint8)
        try:
            return self._make(nbytes)
        except OSError:  # there are too many open files
            return np.empty(nbytes, np.uint8)

    def place(self, rank: int, data: Array) -> bytes | None:
        """Where bytes lie, for a rank that can read them there; None if they have to be sent."""
        if rank not in self.readers or not _LEAST < data.nbytes < _MOST:
            return None
        start: int = data.ctypes.data
        for block in list(self._blocks.values()):
            if block.start <= start < block.start + block.nbytes:
                at = start - block.start
                return _PLACE.pack(block.serial, block.file, block.nbytes, at, data.nbytes)
        return None

    def find(self, rank: int, place: bytes) -> npt.NDArray[np.uint8]:
        """The bytes that a rank has said the place of.

        Raises:
            OSError: They cannot be read.
        """
        serial, file, size, start, nbytes = _PLACE.unpack(place)
        mapped = self._mapped.setdefault(rank, {})
        if serial not in mapped:
            for gone in [k for k, other in mapped.items() if not self._is_open(rank, other)]:
                del mapped[gone]
            mapped[serial] = self._map(rank, file, size)
        return mapped[serial].array[start : start + nbytes]

    def copy(self, into: Array, source: Array) -> None:
        """Copy, with several threads what is large: one alone is slower than memory."""
        if into.size < 2 * _SLICE:
            np.copyto(into, source)
            return
        starts = range(0, into.size, max(_SLICE, -(-into.size // self._threads)))
        ends = [*starts[1:], into.size]
        try:
            list(self._copiers.map(lambda a, b: np.copyto(into[a:b], source[a:b]), starts, ends))
        except RuntimeError:  # the program ends, and lends no threads any more
            np.copyto(into, source)

    @cached_property
    def _copiers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, "rumus copies")

    def _make(self, nbytes: int) -> npt.NDArray[np.uint8]:
        file = os.memfd_create("rumus")
        try:
            os.ftruncate(file, nbytes)
            array = np.frombuffer(mmap.mmap(file, nbytes), np.uint8)
        except BaseException:
            os.close(file)
            raise
        block = Block(next(self._serials), file, array.ctypes.data, nbytes)
        self._blocks[block.serial] = block
        # At the end of the program others may still have to open it.
        weakref.finalize(array, _close, self._blocks, block).atexit = False
        return array

    def _map(self, rank: int, file: int, nbytes: int) -> Mapped:
        handle = os.open(self._path(rank, file), os.O_RDONLY)
        try:
            memory = mmap.mmap(handle, nbytes, prot=mmap.PROT_READ)
            return Mapped(file, _identity(os.fstat(handle)), np.frombuffer(memory, np.uint8))
        finally:
            os.close(handle)

    def _is_open(self, rank: int, mapped: Mapped) -> bool:
        """Whether its process still has it, so that its memory is not held by this one alone."""
        try:
            return _identity(os.stat(self._path(rank, mapped.file))) == mapped.identity
        except OSError:
            return False

    def _path(self, rank: int, file: int) -> str:
        return f"/proc/{self._processes[rank]}/fd/{file}"


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _close(blocks: dict[int, Block], block: Block) -> None:
    del blocks[block.serial]
    os.close(block.file)


def _mark(process: int) -> int:
    return process % 251 + 1
