"""The two exchanges of a step: gradients to the owners of their segments, weights back to all.

A segment goes piece by piece: while some are on their way, others are read from the device, and
those that have come are summed there. What a rank has of its own segment never leaves the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rumus import gpu

from .._group.contract import Group, Ready
from .arrivals import ArenaGuard, Arrivals, Pages, Round
from .host_vectors import Here
from .layout import Layout, Parcel, Span
from .tree import Node, folded, subtrees
from .vectors import Arrival, Landing, Sending, Vector, Vectors

_NOTHING = Here(np.empty(0, np.float32))

Sums = Mapping[Node, Vector]
Read = list[Sending]
"""For each rank its pieces."""


class Sent(NamedTuple):
    """A parcel on its way.

    Attributes:
        parcel: What it has.
        sums: The sums of this rank's subtrees.
        read: What goes to each rank.
        got: What comes from other ranks, by rank.
        arrival: What waits for it.
    """

    parcel: Parcel
    sums: Sums
    read: Read
    got: Mapping[int, Landing]
    arrival: Arrival


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
        pages = Pages(layout.arenas)
        self.arrivals = Arrivals(group.rank, pages)
        self._sent: list[Sent] = []
        arenas = enumerate(layout.arenas if vectors.is_apart else ())
        self._guards = [(a.data, ArenaGuard(self.arrivals, pages, k, a.data)) for k, a in arenas]

    def read(self, parcel: Parcel, sums: Sums) -> Read:
        """Have what others get of a parcel read from the device; nobody waits for it yet."""
        return [
            self._vectors.begin_read(
                [] if rank == self._group.rank else _parts(parcel, sums, theirs)
            )
            for rank, theirs in enumerate(parcel.pieces)
        ]

    def send_sums(self, parcel: Parcel, sums: Sums, read: Read) -> None:
        """Send a parcel when it is there; all ranks send the same ones in the same order.

        Args:
            parcel: Which.
            sums: Of this rank's subtrees.
            read: What goes to each rank of them.
        """
        rank, vectors = self._group.rank, self._vectors
        length = sum(piece.size for piece in parcel.pieces[rank])
        got = {
            r: vectors.landing(len(nodes) * length)
            for r, nodes in enumerate(self._nodes)
            if r != rank and length
        }
        parts = [part.array for part in read]
        into = [got[r].room if r in got else _NOTHING.array for r in range(self._group.size)]
        delivery = self._group.alltoallv(parts, into, _ready(read), vectors.is_apart)
        self._sent.append(Sent(parcel, sums, read, got, vectors.carry(delivery, got)))

    def gather_sums(self, samples: int) -> None:
        """Let the gradients of this rank's segment be the means over all shards.

        What goes to other ranks is waited for by :meth:`finish_sums`, before the next step.

        Args:
            samples: Of all shards; 0 if they have no gradients.

        Raises:
            GroupError: A rank's sums do not come.
        """
        for each in self._sent:
            if samples and each.parcel.pieces[self._group.rank]:
                each.arrival.wait()
                self.put_means(each.parcel, each.sums, each.got, 1.0 / samples)
        self._sent = [each._replace(sums={}) for each in self._sent]  # or they stay till then

    def finish_sums(self) -> None:
        """Let all sums be where they go; their memory is free then.

        Raises:
            GpuError: Whatever went wrong on the device.
            GroupError: A rank does not take them.
        """
        while self._sent:
            for reading in self._sent[0].read:
                reading.wait()
            self._sent[0].arrival.wait()
            self._sent[0].arrival.finish()
            del self._sent[0]
        self._vectors.free_rooms()

    def gather_weights(self, spans: Sequence[Span]) -> None:
        """Let all ranks have each other's segments.

        On a device that works on by itself they are brought there as they are needed.
        """
        rank, vectors = self._group.rank, self._vectors
        self.arrivals.bring()
        self.guard_weights()  # another optimizer may have guarded them meanwhile
        vectors.free_weight_rooms()
        rounds = self._layout.rounds(spans)
        own = []
        for pieces in rounds:
            own.append(vectors.begin_weights(pieces[rank]))
            if len(own) == 1:  # which the others need first
                vectors.go_on()
        for pieces, mine in zip(rounds, own, strict=True):
            others = {
                r: vectors.landing_of_weights(theirs)
                for r, theirs in enumerate(pieces)
                if r != rank and theirs
            }
            found = [others[r].room if r in others else _NOTHING.array for r in range(len(pieces))]
            found[rank] = mine.array
            delivery = self._group.allgatherv(mine.array, found, _ready([mine]), vectors.is_apart)
            arrival = vectors.carry(delivery, others)
            self.arrivals.add(Round(pieces, others, mine, arrival), vectors)
        if not vectors.is_apart:
            self.arrivals.bring()

    def guard_weights(self) -> None:
        """Have weights that are on their way brought when something uses them."""
        for data, guard in self._guards:
            gpu.guard(data, guard)

    def put_means(
        self, parcel: Parcel, sums: Sums, got: Mapping[int, Landing], share: float
    ) -> None:
        """Sum what all ranks have of a parcel, in the order of the tree.

        Args:
            parcel: Of which this rank's pieces are summed.
            sums: Of this rank's subtrees.
            got: What has come from other ranks, by rank.
            share: What the sums are multiplied by.
        """
        vectors, rank = self._vectors, self._group.rank
        pieces, own = parcel.pieces[rank], self._nodes[rank]
        length = sum(piece.size for piece in pieces)
        theirs: dict[Node, tuple[Any, int]] = {}
        """Where those of a subtree begin."""
        for r, landing in got.items():
            flat = vectors.landed(landing)
            theirs |= {node: (flat, k * length) for k, node in enumerate(self._nodes[r])}
        at = 0
        for piece in pieces:
            found: dict[Node, Any] = {
                node: vectors.part(flat, first + at, first + at + piece.size)
                for node, (flat, first) in theirs.items()
            }
            mine = _parts(parcel, sums, [piece])
            found |= zip(own, [vectors.part(*part) for part in mine], strict=True)
            vectors.put_mean(piece, folded(found, self._shards, vectors.plus), share)
            at += piece.size


def _ready(sendings: Sequence[Sending]) -> Ready | None:
    """Says whether all of them are there; None if all are at once."""
    asked = [sending.ready for sending in sendings if sending.ready is not None]
    return (lambda: all(ready() for ready in asked)) if asked else None


def _parts(parcel: Parcel, sums: Sums, pieces: Sequence[Span]) -> list[tuple[Any, int, int]]:
    """Where pieces lie in the arrays of a rank's sums, subtree after subtree."""
    return [
        (vector[k], piece.start - span.start, piece.stop - span.start)
        for vector in sums.values()
        for piece in pieces
        for k, span in enumerate(parcel.spans)
        if span.arena == piece.arena and span.start <= piece.start < span.stop
    ]
