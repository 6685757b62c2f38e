"""The two exchanges of a step: gradients to the owners of their segments, weights back to all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from .._group.contract import Array, Group, Pending
from .layout import Layout, Span
from .tree import Node, folded, subtrees
from .vectors import Vector, Vectors

ROUND = 1 << 20
"""Elements of a segment that are exchanged at once; the next round is read meanwhile."""


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

    def gather_sums(self, spans: Sequence[Span], sums: Mapping[Node, Vector], samples: int) -> None:
        """Let the gradients of this rank's segment be the means over all shards.

        Args:
            spans: What is trained.
            sums: The sums of this rank's subtrees.
            samples: Of all shards.
        """
        share = 1.0 / samples
        if self._group.size == 1:
            (total,) = sums.values()
            for span, values in zip(spans, total, strict=True):
                self._vectors.put_mean(span, values, share)
            return
        before: tuple[Pending, list[Span], list[Array]] | None = None
        for pieces in self._rounds(spans):
            sent = [self._read(spans, sums, theirs) for theirs in pieces]
            length = sum(piece.size for piece in pieces[self._group.rank])
            got = [np.empty(len(nodes) * length, np.float32) for nodes in self._nodes]
            pending = self._group.alltoallv(sent, got)
            if before is not None:
                self._put(*before, share)
            before = pending, pieces[self._group.rank], got
        if before is not None:
            self._put(*before, share)

    def gather_weights(self, spans: Sequence[Span]) -> None:
        """Let all ranks have each other's segments."""
        if self._group.size == 1:
            return
        rank, before = self._group.rank, None
        for span in spans:
            parts = [self._layout.of_rank(r, [span]) for r in range(self._group.size)]
            rooms = [self._vectors.room(p[0]) if p else _nothing(span, self) for p in parts]
            if parts[rank]:
                own = self._vectors.weights(parts[rank][0])
                rooms[rank] = own
            pending = self._group.allgatherv(rooms[rank], rooms)
            if before is not None:
                self._put_weights(*before)
            before = pending, parts, rooms
        if before is not None:
            self._put_weights(*before)

    def _rounds(self, spans: Sequence[Span]) -> Iterator[list[list[Span]]]:
        """For each round and rank, what of its segment is exchanged."""
        cut = [
            list(_cut(self._layout.of_rank(rank, spans), ROUND)) for rank in range(self._group.size)
        ]
        for k in range(max(map(len, cut))):
            yield [pieces[k] if k < len(pieces) else [] for pieces in cut]

    def _read(
        self, spans: Sequence[Span], sums: Mapping[Node, Vector], pieces: Sequence[Span]
    ) -> Array:
        """Pieces of this rank's sums, subtree after subtree."""
        found = [
            self._vectors.read(vector, k, piece.start - span.start, piece.stop - span.start)
            for vector in sums.values()
            for piece in pieces
            for k, span in enumerate(spans)
            if span.arena == piece.arena and span.start <= piece.start < span.stop
        ]
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else np.empty(0, np.float32)

    def _put(
        self, pending: Pending, pieces: Sequence[Span], got: Sequence[Array], share: float
    ) -> None:
        """Sum what all ranks have sent, in the order of the tree."""
        pending.wait()
        found: dict[Node, Array] = {}
        for nodes, arrays in zip(self._nodes, got, strict=True):
            found |= zip(nodes, np.split(arrays, len(nodes)), strict=True)
        total = folded(found, self._shards, _add)
        at = 0
        for piece in pieces:
            self._vectors.put_mean(piece, total[at : at + piece.size], share)
            at += piece.size

    def _put_weights(
        self, pending: Pending, parts: Sequence[Sequence[Span]], rooms: Sequence[Array]
    ) -> None:
        pending.wait()
        for rank, (part, room) in enumerate(zip(parts, rooms, strict=True)):
            if part and rank != self._group.rank:
                self._vectors.put_weights(part[0], room)


def _add(left: Array, right: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.add(left, right, out=left)


def _cut(spans: Sequence[Span], most: int) -> Iterator[list[Span]]:
    """The spans in runs of so many elements."""
    pieces: list[Span] = []
    room = most
    for span in spans:
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


def _nothing(span: Span, exchange: Exchange) -> Array:
    return np.empty(0, exchange._layout.arenas[span.arena].data.dtype)
