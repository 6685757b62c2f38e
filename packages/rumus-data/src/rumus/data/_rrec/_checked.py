"""Which records were compared with their checksums already."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt


class CheckedRecords:
    """A map of one byte per record; bytes that were never set take no memory.

    Args:
        count: The number of records.
    """

    def __init__(self, count: int) -> None:
        self._done = np.zeros(count, np.bool_)
        self._left = count  # at least the number of records that are not done
        self._lock = threading.Lock()

    def covers(self, numbers: npt.NDArray[np.intp]) -> bool:
        """Whether all of these records were checked."""
        return self._left == 0 or 0 not in self._done.take(numbers).tobytes()

    def add(self, numbers: npt.NDArray[np.intp]) -> None:
        """Remember that these records were checked."""
        self._done[numbers] = True
        with self._lock:
            if self._left:
                self._left = max(self._left - len(numbers), 1)
            if self._left == 1:
                self._left = len(self._done) - int(np.count_nonzero(self._done))
