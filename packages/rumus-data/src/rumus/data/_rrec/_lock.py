"""What systems do each in a way of their own: locks of files, and bringing them to the disk."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import IO, Any

if sys.platform == "win32":

    def lock_for_writing(file: IO[Any]) -> bool:
        """Windows refuses a second writer by itself."""
        return True

else:
    import fcntl

    def lock_for_writing(file: IO[Any]) -> bool:
        """Take the lock, which ends with the process at the latest; False if another holds it."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True


def sync_file(descriptor: int) -> None:
    """Return only when a file is on the disk; macOS's fsync leaves it in the drive's cache."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # a file system that has no such call
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)
