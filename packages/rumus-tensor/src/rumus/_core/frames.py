"""What ends with the function that began it, wherever an exception comes.

Python may raise ``KeyboardInterrupt`` between any two steps: behind the block of a ``with``
statement and before its end is told, inside ``__exit__``, in a ``finally``. What a function leaves
behind then (a lock, a mode of the thread, a claim) is told from what it still needs by its frame:
what belongs to one that has ended counts for nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")

# CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR of inspect, which importing rumus need not load.
_SUSPENDED = 0x20 | 0x80 | 0x200
_LONGEST_NAP = 1e-3


def is_over(frame: FrameType) -> bool:
    """Whether a function has ended, in whatever way and thread; if so, its variables are dropped.

    Of generators, which can be cleared while they are suspended, this is never said.
    """
    if frame.f_code.co_flags & _SUSPENDED:
        return False
    try:
        frame.clear()
    except RuntimeError:  # it is running
        return False
    return True


def caller(frame: FrameType) -> FrameType:
    """The frame, or that of who called it if it is one of contextlib, which ends at once."""
    while frame.f_globals.get("__name__") == "contextlib" and frame.f_back is not None:
        frame = frame.f_back
    return frame


class _Hold:
    """One who holds a lock, and who comes after him."""

    __slots__ = ("depth", "frame", "later", "thread")

    def __init__(self, frame: FrameType | None) -> None:
        self.frame = frame
        self.thread = threading.get_ident()
        self.depth = 0
        """How often the holder took the lock again."""
        self.later: dict[None, _Hold] = {}

    def is_over(self) -> bool:
        if self.frame is not None and is_over(self.frame):
            self.frame = None
        return self.frame is None


class FrameLock:
    """A reentrant lock that is free at the latest when the function that took it has ended.

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
            later = last.later.get(None)
            if later is not None:
                last = later
            elif last.thread == mine.thread and not last.is_over():
                last.depth += 1
                return
            elif last.is_over():
                # One step of Python's own: of several who come now, one is next.
                if last.later.setdefault(None, mine) is mine:
                    self._last = mine
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


class Claim:
    """What somebody holds while a function runs."""

    __slots__ = ("_frame",)

    def __init__(self, frame: FrameType) -> None:
        self._frame: FrameType | None = frame

    def end(self) -> None:
        """Give up what is held, all of it in one step."""
        self._frame = None

    def is_over(self) -> bool:
        """Whether nothing is held any more."""
        if self._frame is not None and is_over(self._frame):
            self._frame = None  # which keeps those that called it, and all that they know
        return self._frame is None


class _Scope(Generic[T]):
    """A value, for as long as a function runs."""

    __slots__ = ("below", "frame", "value")

    def __init__(self, value: T, frame: FrameType | None, below: _Scope[T] | None) -> None:
        self.value = value
        self.frame = frame
        self.below = below


class Scoped(threading.local, Generic[T]):
    """A value of each thread that functions set for their callees."""

    _top: _Scope[T | None] | None = None

    def get(self) -> T | None:
        """The value that the innermost running function has set, or None."""
        top = scope = self._top
        if top is None:
            return None
        while scope is not None:
            # If a function has ended, so have those that it called.
            if scope.frame is not None and is_over(scope.frame):
                top = scope.below
            scope = scope.below
        self._top = top
        return None if top is None else top.value

    def during(self, value: T | None, frame: FrameType | None) -> _During[T]:
        """Set the value for the block of a ``with`` statement.

        Args:
            value: for functions that are called there.
            frame: of the function with which the value is over at the latest; None if only those
                that run outside of it can end it.
        """
        return _During(self, value, frame)


class _During(Generic[T]):
    def __init__(self, scoped: Scoped[T], value: T | None, frame: FrameType | None) -> None:
        self._scoped, self._value, self._frame = scoped, value, frame
        self._below: _Scope[T | None] | None = None

    def __enter__(self) -> None:
        self._below = self._scoped._top
        self._scoped._top = _Scope(self._value, self._frame, self._below)

    def __exit__(self, *_: object) -> None:
        self._scoped._top = self._below
