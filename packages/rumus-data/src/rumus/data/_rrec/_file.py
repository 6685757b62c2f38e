"""A record file that is open for reading, whether it is mapped into memory or not."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from .._buffers import BufferPool
from .._errors import RecordFileChangedError, RecordFileIncompleteError, RecordFormatError
from ._partial import partial_of, recovering

Bytes = npt.NDArray[np.uint8]


class Identity(NamedTuple):
    """What tells a file from another one that later has its path.

    Attributes:
        device: The number of the file system.
        inode: The number of the file in it.
        size: Its bytes.
        time: When it was last written, in nanoseconds.
    """

    device: int
    inode: int
    size: int
    time: int


class Rows(Protocol):
    """Records of one length that lie behind each other in a file."""

    def __len__(self) -> int:
        """How many they are."""
        ...

    def block(self, start: int, stop: int, copy: bool = False) -> Bytes:
        """Neighbours, shape (stop - start, stride); a view of the file where there is one."""
        ...

    def take(self, numbers: npt.NDArray[np.intp], pool: BufferPool) -> Bytes:
        """Some of them copied under each other; all numbers are inside."""
        ...

    def empty(self, count: int, pool: BufferPool) -> Bytes:
        """Memory for so many of them, for :meth:`fill`."""
        ...

    def fill(self, numbers: npt.NDArray[np.intp], out: Bytes) -> None:
        """The same as :meth:`take` into (a part of) such memory."""
        ...


class RecordFile(Protocol):
    """The bytes of a file. Each method raises RecordFileChangedError if the file was cut."""

    path: Path
    identity: Identity
    size: int

    def view(self, offset: int, nbytes: int, copy: bool = False) -> Bytes:
        """Bytes of the file, less of them if it ends before; a view where there is one."""
        ...

    def array(self, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """An array of bytes that are known to lie inside the file."""
        ...

    def rows(self, offset: int, count: int, stride: int) -> Rows:
        """Records that are known to lie inside the file."""
        ...

    def check_length(self) -> None:
        """Make sure that the file has the bytes that it had when it was opened."""
        ...


def check_regular(path: Path) -> None:
    """Refuse what is no file of bytes, before it is opened: a FIFO would never answer.

    Raises:
        FileNotFoundError: There is no such file.
        RecordFileIncompleteError: There is none, but a writer has begun it.
        RecordFormatError: It is a folder, a FIFO, a device or a socket.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        partial = partial_of(path)
        if not partial.is_file():
            raise
        raise RecordFileIncompleteError(
            f"{path} is not complete: its writer is at work or was killed, and {partial.name} is "
            f"what it wrote; {recovering(path)} saves the records in it once nobody writes to it"
        ) from None
    if stat.S_ISDIR(mode):
        raise RecordFormatError(f"{path} is a folder, not a record file")
    if not stat.S_ISREG(mode):
        raise RecordFormatError(f"{path} is no regular file but a FIFO, a device or a socket")


def open_regular(path: Path) -> tuple[int, Identity]:
    """A descriptor of a regular file, and which file it is.

    Raises:
        FileNotFoundError: There is no such file.
        RecordFileIncompleteError: There is none, but a writer has begun it.
        RecordFormatError: It is no regular file.
    """
    check_regular(path)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    found = os.fstat(descriptor)
    return descriptor, Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def was_cut(path: Path, size: int) -> RecordFileChangedError:
    """The error of a file that has lost its end while it was open."""
    return RecordFileChangedError(
        f"{path} is shorter than the {size} bytes that it had when it was opened: it was cut or is "
        "being written anew; write record files under a new name, and open them again"
    )
