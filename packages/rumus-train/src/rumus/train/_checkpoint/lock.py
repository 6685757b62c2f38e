"""A run folder belongs to one process at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .._errors import RunFolderError


class FolderLock:
    """Holds a folder until it is released or the process ends, however it ends.

    Raises:
        RunFolderError: Another process holds it.
    """

    def __init__(self, root: Path) -> None:
        self._file: Any = (root / ".lock").open("a+")
        try:
            _lock(self._file)
        except OSError:
            self._file.seek(0)
            owner = self._file.read().strip()
            self._file.close()
            raise RunFolderError(
                f"{root} is in use by another run{f', of process {owner}' if owner else ''}; wait "
                "for it, or take another folder"
            ) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let others have it."""
        self._file.close()


if os.name == "nt":  # pragma: no cover  Windows

    def _lock(file: Any) -> None:
        import msvcrt

        file.seek(1 << 20)  # beyond what is written: a locked byte cannot be read by others
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

else:

    def _lock(file: Any) -> None:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
