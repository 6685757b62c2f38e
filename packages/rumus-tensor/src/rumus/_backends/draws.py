"""Draws that are taken down, to be made a second time."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Protocol

from rumus._core.errors import AutogradError
from rumus._core.frames import Scoped

Draw = tuple[int, int]


class Source(Protocol):
    """What one draw comes from: a generator, or what stands in for it."""

    def next(self) -> Draw:
        """The seed and the position of the call."""
        ...


class _Notes(Protocol):
    """What this thread's draws go through."""

    def source(self, owner: object, fresh: Source) -> Source: ...


_notes: Scoped[_Notes] = Scoped()


def source_of(generator: object, fresh: Source) -> Source:
    """Where a draw of a generator comes from: ``fresh``, unless a function's draws are noted."""
    notes = _notes.get()
    return fresh if notes is None else notes.source(generator, fresh)


class _Taken:
    """One draw of a source, and what it was last: a captured step makes it in each replay."""

    def __init__(self, owner: object, source: Source) -> None:
        self.owner, self._source = owner, source
        self.last: Draw | None = None

    def next(self) -> Draw:
        self.last = self._source.next()
        return self.last


class _Repeated:
    """What a draw was last."""

    def __init__(self, taken: _Taken) -> None:
        self._taken = taken

    def next(self) -> Draw:
        if self._taken.last is None:
            raise AutogradError("a random number is to be drawn again before it was drawn")
        return self._taken.last


class Draws:
    """The draws of a function, which a second run of it repeats."""

    def __init__(self) -> None:
        self._taken: list[_Taken] = []
        self._outer: _Notes | None = None

    def taken(self) -> AbstractContextManager[None]:
        """Take down what this thread draws meanwhile."""
        self._outer = _notes.get()
        return _notes.during(self, sys._getframe(1))

    def source(self, owner: object, fresh: Source) -> Source:
        """Where the function's next draw comes from."""
        outer = fresh if self._outer is None else self._outer.source(owner, fresh)
        self._taken.append(_Taken(owner, outer))
        return self._taken[-1]

    def repetition(self) -> Repetition:
        """The same draws, for one more run."""
        return Repetition(self._taken)


class Repetition:
    """Draws that are made again, which moves no generator."""

    def __init__(self, taken: list[_Taken]) -> None:
        self._rest = list(reversed(taken))

    def running(self) -> AbstractContextManager[None]:
        """Have what this thread draws meanwhile come from here."""
        return _notes.during(self, sys._getframe(1))

    def source(self, owner: object, fresh: Source) -> Source:
        """Where the function's next draw comes from.

        Raises:
            AutogradError: The first run had no such draw.
        """
        if not self._rest or self._rest[-1].owner is not owner:
            raise _changed()
        return _Repeated(self._rest.pop())

    def check_complete(self) -> None:
        """Raise if there were fewer draws.

        Raises:
            AutogradError: There were.
        """
        if self._rest:
            raise _changed()


def _changed() -> AutogradError:
    return AutogradError(
        "a checkpointed function drew other random numbers when it was run again; what it does "
        "may depend on its inputs alone"
    )
