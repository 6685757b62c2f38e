"""What processes agree upon between two steps."""

from __future__ import annotations

from time import monotonic

import numpy as np

from .._group.alone import Alone
from .._group.contract import Group


class CommonClock:
    """The time that all processes see: that of rank 0 when they agreed last.

    Args:
        group: The ranks; of one process alone the time runs on.
    """

    def __init__(self, group: Group | None = None) -> None:
        self._group = group or Alone()
        self._start = monotonic()
        self._now = 0.0

    def __call__(self) -> float:
        """Seconds since the run began."""
        if self._group.size > 1:
            return self._now
        return monotonic() - self._start

    def agree(self, *numbers: int) -> list[int]:
        """The largest of each number on any rank; and go on with rank 0's time."""
        if self._group.size == 1:
            return list(numbers)
        passed = int((monotonic() - self._start) * 1e6) if self._group.rank == 0 else 0
        values = np.array([passed, *numbers], np.int64)
        self._group.max(values).wait()
        self._now = values[0] / 1e6
        found: list[int] = values[1:].tolist()
        return found
