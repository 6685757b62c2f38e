"""A file that is read piece by piece into memory of this process."""

from __future__ import annotations

import io
import os
import threading
import weakref
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._buffers import BufferPool
from ._file import Bytes, open_regular, was_cut


class UnmappedFile:
    """The bytes of a file, read at their offsets by any number of threads.

    Args:
        path: A regular file.

    Raises:
        FileNotFoundError: There is no such file.
        RecordFileIncompleteError: There is none, but a writer has begun it.
        RecordFormatError: The path is no regular file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._descriptor, self.identity = open_regular(self.path)
        self.size = self.identity.size
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, self._descriptor).atexit = False

    def view(self, offset: int, nbytes: int, copy: bool = False) -> Bytes:
        """Bytes of the file, less of them if it ends before; always a copy."""
        part = np.empty(max(min(nbytes, self.size - offset), 0), np.uint8)
        self.read_into(offset, part)
        return part

    def array(self, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """An array of bytes that are known to lie inside the file."""
        array = np.empty(shape, dtype)
        self.read_into(offset, array.reshape(-1).view(np.uint8))
        return array

    def rows(self, offset: int, count: int, stride: int) -> UnmappedRows:
        """Records that are known to lie inside the file."""
        return UnmappedRows(self, offset, count, stride)

    def check_length(self) -> None:
        """Nothing: a read that finds less bytes says so."""

    def read_into(self, offset: int, out: Bytes) -> None:
        """Fill memory with the bytes from an offset on.

        Args:
            offset: Where they begin in the file.
            out: Contiguous memory.

        Raises:
            RecordFileChangedError: The file ends before.
            OSError: The system cannot read.
        """
        rest = out.reshape(-1).data
        try:
            while rest:
                count = self._read(offset, rest)
                if not count:
                    raise was_cut(self.path, self.size)
                offset, rest = offset + count, rest[count:]
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def _read(self, offset: int, place: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._descriptor, [place], offset)
        with self._lock, io.FileIO(self._descriptor, closefd=False) as file:
            file.seek(offset)
            return file.readinto(place) or 0


class UnmappedRows:
    """Records of one length in a file that is not mapped.

    Args:
        file: The file.
        offset: Where the first one begins.
        count: How many they are.
        stride: The bytes of each.
    """

    def __init__(self, file: UnmappedFile, offset: int, count: int, stride: int) -> None:
        self._file = file
        self._offset = offset
        self._count = count
        self._stride = stride

    def __len__(self) -> int:
        return self._count

    def block(self, start: int, stop: int, copy: bool = False) -> Bytes:
        """Neighbours; always a copy."""
        stop = max(min(stop, self._count), start)
        part = np.empty((stop - start, self._stride), np.uint8)
        self._file.read_into(self._offset + start * self._stride, part)
        return part

    def take(self, numbers: npt.NDArray[np.intp], pool: BufferPool) -> Bytes:
        """Some of them, each read by itself; neighbours are read together."""
        batch = self.empty(len(numbers), pool)
        self.fill(numbers, batch)
        return batch

    def empty(self, count: int, pool: BufferPool) -> Bytes:
        """Memory for so many of them."""
        memory: Bytes = pool.empty((count, self._stride), np.uint8)
        return memory

    def fill(self, numbers: npt.NDArray[np.intp], out: Bytes) -> None:
        """Some of them into memory that is there already."""
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        for start, end in pairwise([0, *breaks.tolist(), len(numbers)]):
            offset = self._offset + int(numbers[start]) * self._stride
            self._file.read_into(offset, out[start:end])
