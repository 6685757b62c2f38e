"""A file mapped into memory, read-only."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._buffers import BufferPool
from .._gather import copy_rows
from ._file import Bytes, open_regular, was_cut
from ._layout import take_rows, widened


class MappedFile:
    """The bytes of a file, in the page cache and not in this process's own memory.

    A system kills a process that reads a map behind the end of its file, so the length is compared
    before and after each copy. A cut in the very middle of a copy is fatal all the same.

    Args:
        path: A regular file.

    Raises:
        FileNotFoundError: There is no such file.
        RecordFileIncompleteError: There is none, but a writer has begun it.
        RecordFormatError: The path is no regular file.
        OSError: The system cannot map it, for example for want of memory or of descriptors.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        descriptor, self.identity = open_regular(self.path)
        self.size = self.identity.size
        self._map: mmap.mmap | None = None
        try:
            if self.size:
                self._map = mmap.mmap(descriptor, self.size, access=mmap.ACCESS_READ)
        except OSError as error:
            reason = f"{error.strerror} (while mapping the file; mapped=False does without)"
            raise OSError(error.errno, reason, str(self.path)) from error
        except ValueError:
            raise was_cut(self.path, self.size) from None
        finally:
            os.close(descriptor)
        self._bytes = np.frombuffer(self._map or b"", np.uint8)

    def view(self, offset: int, nbytes: int, copy: bool = False) -> Bytes:
        """Bytes of the file, less of them if it ends before."""
        self.check_length()
        part = self._bytes[offset : offset + nbytes]
        return self._copied(part) if copy else part

    def array(self, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """An array of bytes that are known to lie inside the file, without a copy."""
        self.check_length()
        return np.ndarray(shape, dtype, self._bytes, offset)

    def rows(self, offset: int, count: int, stride: int) -> MappedRows:
        """Records that are known to lie inside the file."""
        part = self._bytes[offset : offset + count * stride]
        return MappedRows(self, part.reshape(count, stride))

    def check_length(self) -> None:
        """Make sure that the file has the bytes that it had when it was opened.

        Raises:
            RecordFileChangedError: It has less.
        """
        if self._map is not None and self._map.size() < self.size:
            raise was_cut(self.path, self.size)

    def _copied(self, part: Bytes) -> Bytes:
        mine = part.copy()
        self.check_length()
        return mine


class MappedRows:
    """Records of one length in a map.

    Args:
        file: The file.
        table: Its part that they fill, shape (count, stride).
    """

    def __init__(self, file: MappedFile, table: Bytes) -> None:
        self._file = file
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def block(self, start: int, stop: int, copy: bool = False) -> Bytes:
        """Neighbours, as a view unless a copy is wanted."""
        self._file.check_length()
        part = self._table[start:stop]
        return self._file._copied(part) if copy else part

    def take(self, numbers: npt.NDArray[np.intp], pool: BufferPool) -> Bytes:
        """Some of them in one copy."""
        self._file.check_length()
        batch = take_rows(self._table, numbers, pool)
        self._file.check_length()
        return batch

    def empty(self, count: int, pool: BufferPool) -> Bytes:
        """Memory for so many of them."""
        words = widened(self._table)
        return pool.empty((count, words.shape[1]), words.dtype, words).view(np.uint8)

    def fill(self, numbers: npt.NDArray[np.intp], out: Bytes) -> None:
        """Some of them in one copy into memory that is there already."""
        self._file.check_length()
        words = widened(self._table)
        copy_rows(words, numbers, out.view(words.dtype))
        self._file.check_length()
