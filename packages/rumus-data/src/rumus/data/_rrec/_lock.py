"""An advisory lock that a writer holds on its file, where the system has one."""

from __future__ import annotations

import sys
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
