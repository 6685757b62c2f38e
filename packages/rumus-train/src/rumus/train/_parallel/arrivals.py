"""Weights on their way from other ranks, which are put into their places when these are used."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from rumus.gpu import GpuArray

from .layout import FIRST, Pieces, Span
from .vectors import Arrival, Landing, Sending, Vectors


class Round(NamedTuple):
    """Some pieces of all segments on their way.

    Attributes:
        pieces: Of each rank's segment.
        landings: Where those of other ranks come, by rank.
        own: What goes to them.
        arrival: What waits for it.
    """

    pieces: Sequence[Pieces]
    landings: Mapping[int, Landing]
    own: Sending
    arrival: Arrival


class Arrivals:
    """The rounds that are on their way, which come in their order.

    Args:
        rank: This one, whose own weights are where they belong.
    """

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._coming: deque[Round] = deque()
        self._unfinished: list[Arrival] = []
        """Of rounds that are in their places here, and perhaps not yet elsewhere."""
        # Whose arenas' guards know this object: it knows them only while something is on its way.
        self._vectors: Vectors | None = None
        self._lock = threading.RLock()
        self._is_bringing = False

    @property
    def is_waiting(self) -> bool:
        """Whether anything is on its way here."""
        return self._vectors is not None

    def add(self, coming: Round, vectors: Vectors) -> None:
        """Another round is on its way to where the weights are."""
        with self._lock:  # another thread may be looking for what it needs
            self._coming.append(coming)
            if self._has(coming, lambda _: True):
                self._vectors = vectors

    def bring(self, is_needed: Callable[[Span], bool] | None = None) -> None:
        """Put what has come into its place, up to the last round with something that is needed.

        Args:
            is_needed: Whether any of some elements are; all rounds are, if it is not given, and
                what goes to other ranks is waited for, too.

        Raises:
            GroupError: It does not come.
        """
        with self._lock:
            if self._is_bringing:  # the places are used to put it there
                return
            self._is_bringing = True
            try:
                for _ in range(self._end_of(is_needed)):
                    self._put(self._coming[0])
                    self._coming.popleft()
                if is_needed is None:
                    self._finish()
            finally:
                self._is_bringing = False
            if not self._end_of(lambda _: True):
                self._vectors = None

    def _end_of(self, is_needed: Callable[[Span], bool] | None) -> int:
        """How many rounds there are up to the last one that is needed."""
        if is_needed is None:
            return len(self._coming)
        return max((k for k, c in enumerate(self._coming, 1) if self._has(c, is_needed)), default=0)

    def _has(self, coming: Round, is_needed: Callable[[Span], bool]) -> bool:
        others = (p for rank, p in enumerate(coming.pieces) if rank != self._rank)
        return any(is_needed(piece) for pieces in others for piece in pieces)

    def _put(self, coming: Round) -> None:
        if self._vectors is not None and not coming.arrival.is_over():
            self._vectors.go_on()
        coming.own.wait()
        coming.arrival.wait()
        self._unfinished.append(coming.arrival)
        for rank, landing in coming.landings.items():
            assert self._vectors is not None, "something is on its way"
            self._vectors.put_weights(coming.pieces[rank], landing)

    def _finish(self) -> None:
        while self._unfinished:
            self._unfinished[0].finish()
            del self._unfinished[0]


class ArenaGuard:
    """Brings an arena's weights when they are used: a :class:`rumus.gpu.Guard`.

    Args:
        arrivals: What is on its way.
        arena: The number of the arena.
        data: Its weights.
    """

    def __init__(self, arrivals: Arrivals, arena: int, data: GpuArray) -> None:
        self._arrivals, self._arena = arrivals, arena
        self._start, self._page = data.extent[0], FIRST * data.dtype.itemsize

    @property
    def is_waiting(self) -> bool:
        """Whether anything is on its way."""
        return self._arrivals.is_waiting

    def parts(self, start: int, stop: int) -> Collection[int]:
        """The pages that have some of the bytes."""
        first, end = start - self._start, stop - self._start
        return range(first // self._page, -(-end // self._page))

    def bring(self, parts: Collection[int] | None = None) -> None:
        """Let some pages be there, or all."""
        if not self.is_waiting and parts is not None:
            return
        if parts is None:
            self._arrivals.bring()
        else:
            pages = set(parts)
            self._arrivals.bring(
                lambda span: span.arena == self._arena and not pages.isdisjoint(_pages(span))
            )


def _pages(span: Span) -> range:
    return range(span.start // FIRST, -(-span.stop // FIRST))
