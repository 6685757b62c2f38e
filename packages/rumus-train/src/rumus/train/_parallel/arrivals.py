"""Weights on their way from other ranks, which are put into their places when these are used."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Mapping, Sequence, Set
from itertools import accumulate
from typing import NamedTuple

from rumus.gpu import GpuArray
from rumus.tensor import Arena

from .._errors import GroupError
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


class Pages:
    """Equal parts of arenas, which guards ask for; they are numbered through.

    Args:
        arenas: The arenas.
    """

    def __init__(self, arenas: Sequence[Arena]) -> None:
        counts = (-(-arena.data.size // FIRST) for arena in arenas)
        self._starts = [0, *accumulate(counts)]

    def of(self, span: Span) -> range:
        """Those that have some of the elements."""
        first = self._starts[span.arena]
        return range(first + span.start // FIRST, first - (-span.stop // FIRST))


class Arrivals:
    """The rounds that are on their way, which come in their order.

    Args:
        rank: This one, whose own weights are where they belong.
        pages: Of the arenas.
    """

    def __init__(self, rank: int, pages: Pages) -> None:
        self._rank, self._pages = rank, pages
        self._coming: deque[tuple[Round, Set[int]]] = deque()
        """With the pages that others have something of."""
        self._unfinished: list[Round] = []
        """Those that are in their places here, and perhaps not yet elsewhere."""
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
        others = [p for rank, own in enumerate(coming.pieces) if rank != self._rank for p in own]
        pages = {page for piece in others for page in self._pages.of(piece)}
        with self._lock:  # another thread may be looking for what it needs
            self._coming.append((coming, pages))
            if pages:
                self._vectors = vectors

    def bring(self, needed: Collection[int] | None = None) -> None:
        """Put what has come into its place, up to the last round with something that is needed.

        Args:
            needed: Pages; all rounds are, if none are given, and what goes to other ranks is
                waited for, too.

        Raises:
            GpuError: Whatever went wrong on the device.
            GroupError: It does not come.
        """
        with self._lock:
            if self._is_bringing:  # the places are used to put it there
                return
            self._is_bringing = True
            try:
                for _ in range(len(self._coming) if needed is None else self._end_of(needed)):
                    self._put(self._coming[0][0])
                    self._coming.popleft()
                if needed is None:
                    self._finish()
            finally:
                self._is_bringing = False
            if not any(pages for _, pages in self._coming):
                self._vectors = None

    def _end_of(self, needed: Collection[int]) -> int:
        """How many rounds there are up to the last one that is needed."""
        found = (k for k, (_, pages) in enumerate(self._coming, 1) if not pages.isdisjoint(needed))
        return max(found, default=0)

    def _put(self, coming: Round) -> None:
        if self._vectors is not None and not coming.arrival.is_over():
            self._vectors.go_on()
        try:
            coming.arrival.wait()
        except GroupError:
            coming.own.wait()  # a fault of this device says more
            raise
        self._unfinished.append(coming)
        for rank, landing in coming.landings.items():
            assert self._vectors is not None, "something is on its way"
            self._vectors.put_weights(coming.pieces[rank], landing)

    def _finish(self) -> None:
        while self._unfinished:
            self._unfinished[0].own.wait()
            self._unfinished[0].arrival.finish()
            del self._unfinished[0]


class ArenaGuard:
    """Brings an arena's weights when they are used: a :class:`rumus.gpu.Guard`.

    Args:
        arrivals: What is on its way.
        pages: Of the arenas.
        arena: The number of the arena.
        data: Its weights.
    """

    def __init__(self, arrivals: Arrivals, pages: Pages, arena: int, data: GpuArray) -> None:
        self._arrivals, self._pages, self._arena = arrivals, pages, arena
        self._start, self._size = data.extent[0], data.dtype.itemsize

    @property
    def is_waiting(self) -> bool:
        """Whether anything is on its way."""
        return self._arrivals.is_waiting

    def parts(self, start: int, stop: int) -> Collection[int]:
        """The pages that have some of the bytes."""
        first, end = start - self._start, stop - self._start
        return self._pages.of(Span(self._arena, first // self._size, -(-end // self._size)))

    def bring(self, parts: Collection[int] | None = None) -> None:
        """Let some pages be there, or all."""
        if parts is None or self.is_waiting:
            self._arrivals.bring(parts)
