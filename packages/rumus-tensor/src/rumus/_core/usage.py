"""What a recorded step has read of what may change between its replays.

While a step is recorded, modules and parameters note here what the step reads of them: a number, a
mode, where a parameter lies. The recording serves for as long as all of it is what it was, whatever
else changes in the process, and serves again when it is so again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from .frames import FrameLock, Scoped, is_over

_VALUES = (bool, int, str, bytes, type(None), np.generic)


class Read(NamedTuple):
    """One thing that was read: how to read it again, and what it was."""

    owner: Any
    name: str
    read: Callable[[Any, str], Any]
    value: Any

    def is_unchanged(self) -> bool:
        """Whether it is still the same: numbers and texts by value, the rest by identity."""
        return same(self.read(self.owner, self.name), self.value)


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


_current: Scoped[Usage] = Scoped()
_lock = FrameLock()
_noting: set[FrameType] = set()
"""The functions whose callees note what they read."""
observers: list[Callable[[bool], None]] = []
"""Called with whether any thread is noting, when that may have changed."""


def current() -> Usage | None:
    """Where this thread notes what it reads, if it records a step."""
    return _current.get()


class noted_in:  # noqa: N801  a context manager, named like one
    """Note what this thread reads meanwhile, for as long as the function runs that asks for it."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    def __enter__(self) -> None:
        frame = sys._getframe(1)
        self._during = _current.during(self._usage, frame)
        self._during.__enter__()
        self._frame = frame
        with _lock:
            _noting.add(frame)
            _tell()

    def __exit__(self, *_: object) -> None:
        self._during.__exit__()
        with _lock:
            _noting.discard(self._frame)
            _tell()


def _tell() -> None:
    for frame in list(_noting):
        if is_over(frame):
            _noting.discard(frame)
    for observe in observers:
        observe(bool(_noting))


def same(a: Any, b: Any) -> bool:
    """Whether values are the same: numbers and texts by value, the rest by identity."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (float, np.floating)):
        return np.float64(a).tobytes() == np.float64(b).tobytes()  # 0.0 and -0.0, NaN
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, _VALUES) and bool(a == b)
