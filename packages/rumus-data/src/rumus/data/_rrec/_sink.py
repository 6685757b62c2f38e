"""A file that is being written, front to back."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

from .._errors import RecordError, RecordFormatError, RecordWriteError
from ._lock import sync_file
from ._partial import check_unlocked, claim, partial_of, recovering

_SYNC_EVERY = 1 << 23  # bytes
# What systems answer that have no descriptors of folders, or do not give us one of this folder.
_NO_FOLDER = frozenset((errno.EACCES, errno.EPERM, errno.EISDIR))
_NO_FOLDER_SYNC = frozenset((errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS))


class Sink:
    """The file of a writer. Errors of the system name it, and no later write is tried after one.

    It grows beside its place, see :func:`partial_of`, and takes the place when it is complete.

    Args:
        path: The file to make.
        overwrite: Whether a file of that name is replaced in the end. Readers that have the old one
            open keep it: the new one is another file of the same name.

    Raises:
        FileExistsError: The file exists, or an unfinished one, and ``overwrite`` is False.
        RecordFormatError: The path is a folder.
        RecordFileIncompleteError: The file to replace is still being written.
    """

    def __init__(self, path: str | os.PathLike[str], overwrite: bool) -> None:
        self.path = Path(path).absolute()  # the process may change its folder meanwhile
        self.position = 0
        self._begun = 0  # the position when the latest early sync began
        self._syncing: threading.Thread | None = None
        self.failed: RecordError | None = None
        self._overwrite = overwrite
        if self.path.is_dir():
            raise RecordFormatError(f"{self.path} is a folder; give the name of a file in it")
        if os.path.lexists(self.path):
            if not self.path.is_file():
                raise self._exists("it is no regular file")
            if not overwrite:
                raise self._exists("overwrite=True replaces it")
            check_unlocked(self.path)
        self._file = claim(self.path, overwrite)

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
        except BaseException:  # Ctrl-C
            self.interrupted()
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

    def restart(self, data: bytes) -> None:
        """Replace everything that was written."""
        self._wait()
        self._check()
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise self._failure(error) from error
        self.position = self._begun = 0
        self.write(data)

    def sync(self) -> None:
        """Return only when everything written is on the disk."""
        self._wait()
        self._check()
        try:
            sync_file(self._file.fileno())
        except OSError as error:
            raise self._failure(error) from error

    def publish(self) -> None:
        """Close the complete file and give it its name, which is on the disk when this returns.

        Raises:
            FileExistsError: A file of that name came into being, and is not to be replaced.
            RecordWriteError: The system refuses.
        """
        self._check()
        if not self._overwrite and os.path.lexists(self.path):
            raise self._exists(f"all records are in {partial_of(self.path).name} beside it")
        try:
            if os.name == "nt":  # Windows renames no open file
                self.close()
            os.replace(partial_of(self.path), self.path)
            self.close()
            sync_folder(self.path)
        except OSError as error:
            raise self._failure(error) from error

    def discard(self) -> None:
        """Close the file and remove it, as if it had not been made."""
        if os.name == "nt":  # Windows removes no open file
            self.close()
        partial_of(self.path).unlink(missing_ok=True)
        self.close()

    def abandon(self) -> None:
        """Leave the file to the process that this one was forked from."""
        self._syncing = None  # a thread of the other process
        self._file.close()
        self.failed = RecordError(
            f"the writer of {self.path} belongs to the process that made it; a forked process "
            "makes a writer of its own, of another file"
        )

    def interrupted(self) -> None:
        """Refuse to go on: nothing may follow what was written in part."""
        self._failure(InterruptedError(errno.EINTR, "writing was interrupted"))

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
            raise self.failed.with_traceback(None)  # of this call alone

    def _failure(self, error: OSError) -> RecordWriteError:
        """What to raise; the file is closed, so that it can be recovered."""
        self.failed = failure = self._refusal(error)
        self.close()
        return failure

    def _refusal(self, error: OSError) -> RecordWriteError:
        return RecordWriteError(
            error.errno,
            f"{error.strerror}; {recovering(self.path)} saves the records that were flushed before",
            str(self.path),
        )

    def _exists(self, reason: str) -> FileExistsError:
        return FileExistsError(errno.EEXIST, f"the file exists; {reason}", str(self.path))


def sync_folder(path: Path) -> None:
    """Return only when a file's name is on the disk, where the system offers that.

    A folder that cannot be opened or synced is passed over: the file itself is complete and synced.
    """
    if os.name == "nt":  # Windows cannot open a folder
        return
    try:
        descriptor = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        if error.errno in _NO_FOLDER:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
