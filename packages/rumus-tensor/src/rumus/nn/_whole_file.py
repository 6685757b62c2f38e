"""A file that is replaced whole, or not at all."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, BinaryIO

if sys.platform == "win32":

    def _lock(file: IO[bytes]) -> bool | None:
        """None: Windows removes no file that is open, so that nothing needs a lock."""
        return None

else:

    def _lock(file: IO[bytes]) -> bool | None:
        """Take the lock of a file, which ends with the process at the latest.

        Returns:
            Whether this process has it now; None where there are no locks.
        """
        import fcntl  # here, so that importing rumus loads nothing but numpy

        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return None
        return True


@contextmanager
def replaced_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, which takes its place, durable, when the block is left without an error.

    Until then it has a name of its own beside its place. What killed processes left under such
    names of this path is removed.

    Args:
        path: The place; a file that is there stays until the end.

    Raises:
        FileNotFoundError: Its folder does not exist.
        IsADirectoryError: It is a folder itself.
        FileExistsError: It is a device, a pipe or the like, which no file may take the place of.
    """
    target = os.path.abspath(path)  # another thread may change the folder meanwhile
    _check_place(target)
    folder, name = os.path.split(target)
    _remove_what_was_left(folder, name)
    temporary, file = _new_file(folder, name)
    try:
        with file:
            yield file
            file.flush()
            _sync(file.fileno())
            if os.name != "nt":  # still locked, so that nobody takes it for one that was left
                os.replace(temporary, target)
        if os.name == "nt":
            os.replace(temporary, target)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.remove(temporary)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = target  # of a full disk the system says the number alone
        raise


def _check_place(target: str) -> None:
    import errno  # here, so that importing rumus loads nothing but numpy

    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to write to", folder)
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "this is a folder; give a file's name in it", target)
    if os.path.exists(target) and not os.path.isfile(target):
        raise FileExistsError(errno.EEXIST, "this is a device or a pipe, and no file", target)


def _sync(descriptor: int) -> None:
    """Return only when a file is on the disk; macOS's fsync leaves it in the drive's cache."""
    if sys.platform == "darwin":
        import fcntl  # here, so that importing rumus loads nothing but numpy

        with suppress(OSError):  # a file system that has no such call
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def _new_file(folder: str, name: str) -> tuple[str, BinaryIO]:
    while True:
        temporary = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
        file = open(temporary, "xb")
        if _lock(file) is not False and os.path.exists(temporary):
            return temporary, file
        file.close()  # another process took it for one that was left


def _remove_what_was_left(folder: str, name: str) -> None:
    left = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]+\.tmp")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if left.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_unless_used(entry.path)


def _remove_unless_used(path: str) -> None:
    with suppress(OSError):
        if os.name != "nt":
            with open(path, "rb") as file:
                if _lock(file):
                    os.remove(path)
        else:
            os.remove(path)
