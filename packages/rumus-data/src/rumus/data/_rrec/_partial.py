"""The file beside a record file in which its writer works, until it is complete."""

from __future__ import annotations

import errno
import os
import shlex
import stat
import sys
from contextlib import suppress
from io import FileIO
from pathlib import Path
from subprocess import list2cmdline
from typing import IO

from .._errors import RecordFileIncompleteError
from ._lock import lock_for_writing


def partial_of(path: Path) -> Path:
    """Where the writer of a record file works: ``NAME.partial`` in the same folder."""
    return path.with_name(f"{path.name}.partial")


def recovering(path: Path) -> str:
    """What saves the records of a file that was not finished, as a command and in Python."""
    name = str(path)
    quoted = list2cmdline([name]) if sys.platform == "win32" else shlex.quote(name)
    return f"`rumus-data recover {quoted}` (in Python, rumus.data.recover({name!r}))"


def claim(path: Path, overwrite: bool) -> FileIO:
    """Make and lock the file in which the writer of a record file works.

    What a killed writer left there makes way if ``overwrite`` says so, or if it is empty.

    Args:
        path: The record file.
        overwrite: Whether records that were left may be dropped.

    Raises:
        FileExistsError: Records were left, or are being written, and ``overwrite`` is False.
        RecordFileIncompleteError: Another writer is at work.
    """
    partial = partial_of(path)
    while True:
        try:
            file = open(partial, "xb", buffering=0)
        except FileExistsError:
            _make_way(path, partial, overwrite)
            continue
        if lock_for_writing(file) and has_name(file, partial):
            return file
        file.close()  # another writer took it for one that was left


def check_unlocked(path: Path) -> None:
    """Refuse a file that somebody writes to.

    Raises:
        RecordFileIncompleteError: Another writer, or ``recover``, is at work on it.
    """
    with suppress(FileNotFoundError), open(path, "rb") as file:
        if not lock_for_writing(file):
            raise _at_work(path)


def _make_way(path: Path, partial: Path, overwrite: bool) -> None:
    try:
        if not stat.S_ISREG(os.lstat(partial).st_mode):
            raise FileExistsError(errno.EEXIST, "it is no regular file", str(partial))
        with open(partial, "rb") as file:
            unlocked = lock_for_writing(file)
            if unlocked and not has_name(file, partial):
                return
            if not overwrite and (not unlocked or os.fstat(file.fileno()).st_size):
                state = "its writer did not finish it" if unlocked else "it is still being written"
                raise FileExistsError(
                    errno.EEXIST,
                    f"{state}; {recovering(path)} saves its records, overwrite=True replaces it",
                    str(partial),
                )
            if not unlocked:
                raise _at_work(path)
            if os.name == "nt":  # Windows removes no open file
                file.close()
            partial.unlink()
    except FileNotFoundError:  # its writer has just finished
        pass


def has_name(file: IO[bytes], path: Path) -> bool:
    """Whether the path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _at_work(path: Path) -> RecordFileIncompleteError:
    return RecordFileIncompleteError(f"{path} is still being written by another writer")
