"""Where an optimizer's elements lie, and which rank owns which."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise, repeat, zip_longest
from typing import Any, NamedTuple

from rumus.nn import Parameter
from rumus.tensor import pack

MOST = 1 << 25
"""Elements of a span: as float32, what every adapter lets a kernel bind."""
PARCEL = 1 << 20
"""Elements of each segment that are exchanged at once, of a model that is not large."""
PARCELS = 20
"""Parcels of a large one: each costs some tenths of a millisecond of Python."""
FIRST = PARCEL >> 3
"""Elements of the first ones, each twice as large as that before: the last sums of a backward pass
and the first weights of a forward pass are what everybody waits for."""
BLOCK = 16384
"""Elements of a parameter between two places where it may be cut: a norm's block."""


class Span(NamedTuple):
    """Elements of an arena.

    Attributes:
        arena: Its number.
        start: The first element.
        stop: One past the last one.
    """

    arena: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.stop - self.start


Pieces = list[Span]


class Parcel(NamedTuple):
    """What is summed and sent at once.

    Attributes:
        spans: What it has.
        pieces: Of these, what goes to each rank.
    """

    spans: Sequence[Span]
    pieces: Sequence[Pieces]


class Layout:
    """The arenas of an optimizer's parameters, cut into a segment for each rank.

    As in :meth:`rumus.optim.Optimizer.step_range`: arenas of smaller dtypes come first, and their
    elements are numbered through. The cuts depend on the parameters and the number of ranks alone.

    Args:
        params: The optimizer's parameters.
        size: The number of ranks.
        elementwise: Whether a parameter may be cut.

    Attributes:
        params: The parameters in the order of the arenas.
        arenas: The arenas.
        cuts: The segment of rank r goes from ``cuts[r]`` to ``cuts[r + 1]``.
    """

    def __init__(self, params: Sequence[Parameter], size: int, elementwise: bool) -> None:
        self.params = sorted(params, key=lambda p: p.dtype.itemsize)
        self.arenas = pack(self.params)
        self._starts = [0]
        for arena in self.arenas:
            self._starts.append(self._starts[-1] + arena.data.size)
        self.cuts = _cuts(self._edges(elementwise), size)

    def is_current(self) -> bool:
        """Whether the parameters are still there."""
        return pack(self.params) == self.arenas

    def trained(self) -> list[Span]:
        """The elements of parameters that require gradients, in spans of MOST at most."""
        spans: list[Span] = []
        for k, arena in enumerate(self.arenas):
            last = False
            for slot in arena.slots:
                parameter: Any = slot.parameter
                if parameter.requires_grad:
                    stop = slot.offset + slot.size
                    start = spans.pop().start if last else slot.offset
                    spans.append(Span(k, start, stop))
                last = parameter.requires_grad
        return [
            Span(span.arena, start, min(start + MOST, span.stop))
            for span in spans
            for start in range(span.start, span.stop, MOST)
        ]

    def of_rank(self, rank: int, spans: Sequence[Span]) -> list[Span]:
        """The parts of spans that lie in a rank's segment."""
        parts = []
        for span in spans:
            first = self._starts[span.arena]
            start = max(span.start, self.cuts[rank] - first)
            stop = min(span.stop, self.cuts[rank + 1] - first)
            if start < stop:
                parts.append(Span(span.arena, start, stop))
        return parts

    def rounds(self, spans: Sequence[Span]) -> list[list[Pieces]]:
        """For each round and rank, what of its segment is exchanged: of all ranks at once."""
        parts = [self.of_rank(rank, spans) for rank in range(len(self.cuts) - 1)]
        longest = max(sum(part.size for part in own) for own in parts)
        most = max(PARCEL, sum(span.size for span in spans) // PARCELS)
        least = FIRST if longest > PARCEL else PARCEL
        cut = [_cut(own, accumulate(repeat(least), lambda a, _: min(2 * a, most))) for own in parts]
        return [list(pieces) for pieces in zip_longest(*cut, fillvalue=[])]

    def parcels(self, spans: Sequence[Span]) -> list[Parcel]:
        """The spans in the order in which backward passes complete them: the last ones first.

        What is small is one parcel with something for each rank.
        """
        rounds, ranks = self.rounds(spans), range(len(self.cuts) - 1)
        if len(rounds) <= 1 or len(ranks) == 1:
            pieces = [self.of_rank(rank, spans) for rank in ranks]
            return [Parcel(spans, pieces)] if spans else []
        return [
            Parcel(pieces[rank], [pieces[rank] if r == rank else [] for r in ranks])
            for rank in reversed(ranks)
            for pieces in reversed(rounds)
            if pieces[rank]
        ]

    def blocks(self) -> list[int]:
        """The blocks of each rank's segment: those of a norm, of parameters that are trained."""
        counts = [0] * (len(self.cuts) - 1)
        for first, arena in zip(self._starts, self.arenas, strict=False):
            for slot in arena.slots:
                parameter: Any = slot.parameter
                for rank in range(len(counts)) if parameter.requires_grad else ():
                    start = max(self.cuts[rank] - first, slot.offset)
                    stop = min(self.cuts[rank + 1] - first, slot.offset + slot.size)
                    counts[rank] += -(-max(stop - start, 0) // BLOCK)
        return counts

    def _edges(self, elementwise: bool) -> list[int]:
        edges = {0, *self._starts}
        for first, arena in zip(self._starts, self.arenas, strict=False):
            for slot in arena.slots:
                inner = range(0, max(slot.size, 1), BLOCK) if elementwise else (0,)
                edges.update(first + slot.offset + k for k in inner)
        return sorted(edges)


def _cuts(edges: Sequence[int], size: int) -> list[int]:
    """The places, among some edges, of the cuts into segments whose largest is the smallest."""
    low, high = max((b - a for a, b in pairwise(edges)), default=0), edges[-1]
    while low < high:
        most = (low + high) // 2
        low, high = (low, most) if _filled(edges, size, most)[-1] == edges[-1] else (most + 1, high)
    return _filled(edges, size, high)


def _filled(edges: Sequence[int], size: int, most: int) -> list[int]:
    """Cuts such that each segment takes as much as it may."""
    cuts = [0]
    for _ in range(size):
        cuts.append(edges[bisect_right(edges, cuts[-1] + most) - 1])
    return cuts


def _cut(spans: Sequence[Span], sizes: Iterator[int]) -> Iterator[Pieces]:
    """The spans in runs of so many elements of one arena each."""
    pieces: Pieces = []
    room = next(sizes)
    for span in spans:
        if pieces and pieces[-1].arena != span.arena:
            yield pieces
            pieces, room = [], next(sizes)
        start = span.start
        while start < span.stop:
            stop = min(span.stop, start + room)
            pieces.append(Span(span.arena, start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield pieces
                pieces, room = [], next(sizes)
    if pieces:
        yield pieces
