"""The two exchanges of a step: gradients to the owners of their segments, weights back to all.

A segment goes round by round: while one is on its way, the next one is read from the device, and
then the one before it summed there. What a rank has of its own segment never leaves the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from .._group.contract import Array, Group, Pending
from .layout import Layout, Span
from .tree import Node, folded, subtrees
from .vectors import Vector, Vectors

ROUND = 1 << 22
"""Elements of each segment that are exchanged at once."""
_NOTHING = np.empty(0, np.float32)

Pieces = list[Span]
Sums = Mapping[Node, Vector]


class Round(NamedTuple):
    """Some pieces of all segments on their way.

    Attributes:
        spans: What is trained.
        sums: The sums of this rank's subtrees.
        pieces: Of this rank's segment.
        got: What comes from each rank.
        pending: The call.
    """

    spans: Sequence[Span]
    sums: Sums
    pieces: Pieces
    got: Sequence[Array]
    pending: Pending


class Exchange:
    """What ranks send each other of one optimizer.

    Args:
        group: The ranks.
        owned: The shards of each rank.
        layout: The segments.
        vectors: The sums' device.
    """

    def __init__(
        self, group: Group, owned: Sequence[range], layout: Layout, vectors: Vectors
    ) -> None:
        self._group, self._layout, self._vectors = group, layout, vectors
        self._shards = owned[-1].stop
        self._nodes = [subtrees(own, self._shards) for own in owned]
        self._sent: Iterator[Round] = iter(())
        self._first: Round | None = None

    def begin_sums(self, spans: Sequence[Span], sums: Sums) -> None:
        """Send the first round of this rank's sums.

        Args:
            spans: What is trained.
            sums: The sums of this rank's subtrees.
        """
        self._sent = self._send(spans, sums)
        self._first = next(self._sent, None)

    def gather_sums(self, samples: int) -> None:
        """Let the gradients of this rank's segment be the means over all shards.

        Args:
            samples: Of all shards; 0 if they have no gradients.
        """
        before = self._first
        if before is not None and not samples:
            before.pending.wait()
        elif before is not None:
            for now in self._sent:
                self._sum(before, 1.0 / samples)
                before = now
            self._sum(before, 1.0 / samples)
        self._vectors.free_rooms()

    def _send(self, spans: Sequence[Span], sums: Sums) -> Iterator[Round]:
        """Send one round after the other."""
        rank = self._group.rank
        for pieces in self._rounds(spans):
            length = sum(piece.size for piece in pieces[rank])
            sent = [self._vectors.read(_parts(spans, sums, theirs)) for theirs in pieces]
            got = [self._vectors.room(len(nodes) * length) for nodes in self._nodes]
            sent[rank] = got[rank] = _NOTHING
            pending = self._group.alltoallv(sent, got)
            yield Round(spans, sums, pieces[rank], got, pending)

    def gather_weights(self, spans: Sequence[Span]) -> None:
        """Let all ranks have each other's segments."""
        rank, before = self._group.rank, None
        for pieces in self._rounds(spans):
            found = [self._vectors.weights(p, r == rank) for r, p in enumerate(pieces)]
            pending = self._group.allgatherv(found[rank], found)
            if before is not None:
                self._put_weights(*before)
            before = pending, pieces, found
        if before is not None:
            self._put_weights(*before)
        self._vectors.free_rooms()

    def _rounds(self, spans: Sequence[Span]) -> Iterator[list[Pieces]]:
        """For each round and rank, what of its segment is exchanged."""
        ranks = range(self._group.size)
        cut = [_cut(self._layout.of_rank(rank, spans), ROUND) for rank in ranks]
        for pieces in zip_longest(*cut, fillvalue=[]):
            yield list(pieces)

    def _sum(self, sent: Round, share: float) -> None:
        """Sum what all ranks have of some pieces, in the order of the tree."""
        sent.pending.wait()
        own = self._nodes[self._group.rank]
        theirs: dict[Node, Any] = {}
        for nodes, values in zip(self._nodes, sent.got, strict=True):
            if nodes is not own:
                theirs |= zip(nodes, np.split(values, len(nodes)), strict=True)
        at = 0
        for piece in sent.pieces:
            found: dict[Node, Any] = {
                node: self._vectors.of_host(values[at : at + piece.size])
                for node, values in theirs.items()
            }
            mine = _parts(sent.spans, sent.sums, [piece])
            found |= zip(own, [self._vectors.part(*part) for part in mine], strict=True)
            self._vectors.put_mean(piece, folded(found, self._shards, self._vectors.plus), share)
            at += piece.size

    def _put_weights(
        self, pending: Pending, pieces: Sequence[Pieces], found: Sequence[Array]
    ) -> None:
        pending.wait()
        for rank, (theirs, values) in enumerate(zip(pieces, found, strict=True)):
            if rank != self._group.rank:
                self._vectors.put_weights(theirs, values)


def _parts(spans: Sequence[Span], sums: Sums, pieces: Sequence[Span]) -> list[tuple[Any, int, int]]:
    """Where pieces lie in the arrays of a rank's sums, subtree after subtree."""
    return [
        (vector[k], piece.start - span.start, piece.stop - span.start)
        for vector in sums.values()
        for piece in pieces
        for k, span in enumerate(spans)
        if span.arena == piece.arena and span.start <= piece.start < span.stop
    ]


def _cut(spans: Sequence[Span], most: int) -> Iterator[Pieces]:
    """The spans in runs of so many elements of one arena."""
    pieces: Pieces = []
    room = most
    for span in spans:
        if pieces and pieces[-1].arena != span.arena:
            yield pieces
            pieces, room = [], most
        start = span.start
        while start < span.stop:
            stop = min(span.stop, start + room)
            pieces.append(Span(span.arena, start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield pieces
                pieces, room = [], most
    if pieces:
        yield pieces
