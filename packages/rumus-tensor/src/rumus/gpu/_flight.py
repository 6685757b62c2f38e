"""How far the processor may run ahead of the GPU.

What is submitted waits in host memory until the GPU has done it, and a fault, a loss or Ctrl-C come
only behind it. So at most a few submissions are in flight: few in number, in bytes and in time, and
enough that the GPU always finds the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any

MOST = 6
"""Submissions in flight."""
MOST_BYTES = 64 << 20
"""Bytes of uploads in flight, unless one submission alone has more."""
LONGEST = 0.1
"""Seconds of work in flight, as long as the latest submissions took; two are always admitted."""


class Flight:
    """The submissions that the GPU may not have completed.

    Args:
        wait: returns when the GPU has completed the submission of a mark.
    """

    def __init__(self, wait: Callable[[Any], object]) -> None:
        self._wait = wait
        self._flying: deque[tuple[Any, int, float]] = deque()
        self._nbytes = 0
        self._seconds = LONGEST
        """What a submission took lately."""
        self._landed = 0.0

    def make_room(self, nbytes: int) -> None:
        """Wait until another submission, with so many bytes of uploads, may follow."""
        while self._is_full(nbytes):
            # Half of many at once: each wait costs the thread its turn at Python.
            landing = [self._flying.popleft() for _ in range(max(len(self._flying) // 2, 1))]
            mark, _, started = landing[-1]
            self._wait(mark)
            now = perf_counter()
            self._seconds = (now - max(started, self._landed)) / len(landing)
            self._landed = now
            self._nbytes -= sum(nbytes for _, nbytes, _ in landing)

    def add(self, mark: Any, nbytes: int) -> None:
        """Count a submission."""
        self._flying.append((mark, nbytes, perf_counter()))
        self._nbytes += nbytes

    def latest(self) -> Any:
        """The mark of the latest submission; None if there is none that may not be completed."""
        return self._flying[-1][0] if self._flying else None

    def clear(self) -> None:
        """The GPU has completed everything."""
        self._flying.clear()
        self._nbytes = 0
        self._landed = perf_counter()

    def _is_full(self, nbytes: int) -> bool:
        flying = len(self._flying)
        return flying > 0 and (
            flying >= MOST
            or self._nbytes + nbytes > MOST_BYTES
            or (flying >= 2 and flying * self._seconds > LONGEST)
        )
