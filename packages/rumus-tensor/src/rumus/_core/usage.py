"""What a recorded step has read of what may change between its replays.

While a step is recorded, modules and parameters note here what the step reads of them: a number, a
mode, where a parameter lies. The recording serves for as long as all of it is what it was, whatever
else changes in the process, and serves again when it is so again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

_VALUES = (bool, int, str, bytes, type(None), np.generic)


class Read(NamedTuple):
    """One thing that was read: how to read it again, and what it was."""

    owner: Any
    name: str
    read: Callable[[Any, str], Any]
    value: Any

    def is_unchanged(self) -> bool:
        """Whether it is still the same: numbers and texts by value, the rest by identity."""
        return _same(self.read(self.owner, self.name), self.value)


class Usage:
    """The reads of one step. What the step itself wrote before it read it does not count."""

    def __init__(self) -> None:
        self._reads: dict[tuple[int, str], Read] = {}
        self._written: set[tuple[int, str]] = set()

    def note(
        self, owner: Any, name: str, read: Callable[[Any, str], Any], value: Any = None
    ) -> None:
        """Take down a read, the first one of an owner's name."""
        key = id(owner), name
        if key not in self._reads and key not in self._written:
            self._reads[key] = Read(owner, name, read, value)

    def wrote(self, owner: Any, name: str) -> None:
        """Take down that the step gave a name a value."""
        self._written.add((id(owner), name))

    def has_written(self, read: Read) -> bool:
        """Whether the step itself changed what it had read."""
        return (id(read.owner), read.name) in self._written

    def changed(self) -> Read | None:
        """Something that is no longer what the step read."""
        return next((read for read in self._reads.values() if not read.is_unchanged()), None)


class _Thread(threading.local):
    usage: Usage | None = None


_thread = _Thread()
_lock = threading.Lock()
_noting = 0
observers: list[Callable[[bool], None]] = []
"""Called with whether any thread is noting, when that changes."""


def current() -> Usage | None:
    """Where this thread notes what it reads, if it records a step."""
    return _thread.usage


@contextmanager
def noted_in(usage: Usage) -> Iterator[None]:
    """Note what this thread reads meanwhile."""
    before, _thread.usage = _thread.usage, usage
    _count(1)
    try:
        yield
    finally:
        _count(-1)
        _thread.usage = before


def _count(change: int) -> None:
    global _noting
    with _lock:
        _noting += change
        if (_noting == 1 and change == 1) or _noting == 0:
            for observe in observers:
                observe(_noting > 0)


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (float, np.floating)):
        return np.float64(a).tobytes() == np.float64(b).tobytes()  # 0.0 and -0.0, NaN
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return isinstance(a, _VALUES) and bool(a == b)
