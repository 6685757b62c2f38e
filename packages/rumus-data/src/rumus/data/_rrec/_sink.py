"""A file that is being written, front to back."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

from .._errors import RecordFileIncompleteError, RecordFormatError, RecordWriteError
from ._lock import lock_for_writing

_SYNC_EVERY = 1 << 23  # bytes


class Sink:
    """The file of a writer. Errors of the system name it, and no later write is tried after one.

    Args:
        path: The file to make.
        overwrite: Whether a file of that name is replaced. Readers that have the old one open keep
            it: the new one is another file of the same name.

    Raises:
        FileExistsError: The file exists and ``overwrite`` is False.
        RecordFormatError: The path is a folder.
        RecordFileIncompleteError: The file to replace is still being written.
    """

    def __init__(self, path: str | os.PathLike[str], overwrite: bool) -> None:
        self.path = Path(path)
        self.position = 0
        self._begun = 0  # the position when the latest early sync began
        self._syncing: threading.Thread | None = None
        self.failed: RecordWriteError | None = None
        if self.path.is_dir():
            raise RecordFormatError(f"{self.path} is a folder; give the name of a file in it")
        if overwrite and self.path.is_file():
            _remove(self.path)
        try:
            self._file = open(self.path, "xb", buffering=0)
        except FileExistsError:
            regular = self.path.is_file()
            reason = "overwrite=True replaces it" if regular else "it is no regular file"
            raise FileExistsError(
                errno.EEXIST, f"the file exists; {reason}", str(self.path)
            ) from None
        lock_for_writing(self._file)

    def write(self, data: Any) -> None:
        """Append bytes (any contiguous buffer)."""
        self._check()
        rest = memoryview(data).cast("B")
        try:
            while rest:
                written = self._file.write(rest)
                self.position += written
                rest = rest[written:]
        except OSError as error:
            raise self._failure(error) from error
        except BaseException:  # Ctrl-C: nothing may follow what was written in part
            self._failure(InterruptedError(errno.EINTR, "writing was interrupted"))
            raise
        if self.position - self._begun >= _SYNC_EVERY:
            self._sync_early()

    def rewrite(self, offset: int, data: bytes) -> None:
        """Replace bytes that were written before."""
        self._check()
        try:
            self._file.seek(offset)
            self._file.write(data)
            self._file.seek(self.position)
        except OSError as error:
            raise self._failure(error) from error

    def sync(self) -> None:
        """Return only when everything written is on the disk."""
        self._wait()
        self._check()
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failure(error) from error

    def sync_folder(self) -> None:
        """Return only when the file's name is on the disk, where the system offers that."""
        sync_folder(self.path)

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._wait()
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether the file was closed."""
        return self._file.closed

    def _sync_early(self) -> None:
        """Let a thread bring what was written to the disk, so that the last sync has less to do."""
        if not hasattr(os, "fdatasync") or (self._syncing and self._syncing.is_alive()):
            return
        self._wait()
        self._begun = self.position
        self._syncing = threading.Thread(
            target=self._sync_in_thread, name="rumus-data-sync", daemon=True
        )
        self._syncing.start()

    def _sync_in_thread(self) -> None:
        try:
            os.fdatasync(self._file.fileno())
        except OSError as error:  # the system reports it once, so it must not be lost
            self.failed = self._refusal(error)

    def _wait(self) -> None:
        if self._syncing is not None:
            self._syncing.join()
            self._syncing = None

    def _check(self) -> None:
        if self.failed is not None:
            self.close()
            raise self.failed

    def _failure(self, error: OSError) -> RecordWriteError:
        """What to raise; the file is closed, so that it can be recovered."""
        self.failed = self._refusal(error)
        self.close()
        return self.failed

    def _refusal(self, error: OSError) -> RecordWriteError:
        return RecordWriteError(
            error.errno,
            f"{error.strerror}; the records that were flushed before are saved by "
            f"rumus.data.recover({str(self.path)!r})",
            str(self.path),
        )


def _remove(path: Path) -> None:
    """Remove a file that nobody writes to."""
    with open(path, "rb") as file:
        if not lock_for_writing(file):
            raise RecordFileIncompleteError(f"{path} is still being written by another writer")
    path.unlink()


def sync_folder(path: Path) -> None:
    """Return only when a file's name is on the disk, where the system offers that."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
