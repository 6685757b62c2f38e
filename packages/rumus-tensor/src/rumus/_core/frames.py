"""A lock that an exception cannot leave behind, wherever it comes."""

from __future__ import annotations

import sys
import time
from threading import get_ident
from types import FrameType

_LONGEST_NAP = 1e-3


class _Hold:
    """One who holds a lock, and who comes after him."""

    __slots__ = ("depth", "frame", "next", "thread")

    def __init__(self, frame: FrameType | None) -> None:
        self.frame = frame
        self.thread = get_ident()
        self.depth = 0
        self.next: dict[None, _Hold] = {}

    def is_over(self) -> bool:
        return self.frame is None or is_over(self.frame)


class FrameLock:
    """A reentrant lock that is free at the latest when the function that took it has ended.

    An exception can come between any two lines: also behind the block of a ``with`` statement and
    before the lock is released. A lock of Python's own is lost then, for good.

    Example:
        >>> lock = FrameLock()
        >>> with lock:
        ...     pass
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = _Hold(None)

    def __enter__(self) -> None:
        mine = _Hold(sys._getframe(1))
        last, nap = self._last, 0.0
        while True:
            later = last.next.get(None)
            if later is not None:
                last = later
            elif last.is_over():
                # One step of Python's own: of several who come now, one is next.
                if last.next.setdefault(None, mine) is mine:
                    self._last = mine
                    return
            elif last.thread == mine.thread:
                last.depth += 1
                return
            else:
                time.sleep(nap)
                nap = min(_LONGEST_NAP, nap + 1e-5)

    def __exit__(self, *_: object) -> None:
        hold = self._last
        if hold.depth:
            hold.depth -= 1
        else:
            hold.frame = None


def is_over(frame: FrameType) -> bool:
    """Whether a function of ours has ended, by whatever way; clears what it held then."""
    try:
        frame.clear()
    except RuntimeError:  # it is running
        return False
    return True
