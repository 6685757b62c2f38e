"""Draws that are taken down, to be made a second time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rumus._core.errors import AutogradError

Draw = tuple[int, int]


class Source(Protocol):
    """What one draw comes from: a generator, or what stands in for it."""

    def next(self) -> Draw:
        """The seed and the position of the call."""
        ...


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
        self._position: int | None = None
        self._outer: Draws | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take down what this thread draws meanwhile."""
        yield from self._during(None)

    @contextmanager
    def repeated(self) -> Iterator[None]:
        """Draw the same again, which moves no generator.

        Raises:
            AutogradError: There are more draws, fewer, or from other generators.
        """
        yield from self._during(0)
        if self._position != len(self._taken):
            raise _changed()

    def source(self, owner: object, source: Source) -> Source:
        """Where the next draw of a generator comes from."""
        if self._position is None:
            outer = source if self._outer is None else self._outer.source(owner, source)
            self._taken.append(_Taken(owner, outer))
            return self._taken[-1]
        if self._position == len(self._taken) or self._taken[self._position].owner is not owner:
            raise _changed()
        self._position += 1
        return _Repeated(self._taken[self._position - 1])

    def _during(self, position: int | None) -> Iterator[None]:
        self._position, self._outer = position, _active.draws
        _active.draws = self
        try:
            yield
        finally:
            _active.draws, self._outer = self._outer, None


def _changed() -> AutogradError:
    return AutogradError(
        "a checkpointed function drew other random numbers when it was run again; what it does "
        "may depend on its inputs alone"
    )


class _Active(threading.local):
    draws: Draws | None = None


_active = _Active()


def source_of(generator: Source, fresh: Source) -> Source:
    """Where a draw of a generator comes from: ``fresh``, unless a function's draws are noted."""
    draws = _active.draws
    return fresh if draws is None else draws.source(generator, fresh)
