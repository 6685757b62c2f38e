"""The two exchanges of a step: gradients to the owners of their segments, weights back to all.

A segment goes piece by piece: while one is on its way, the next one is read from the device, and
then the one before it summed there. What a rank has of its own segment never leaves the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rumus import gpu

from .._group.contract import Array, Group, Pending
from .arrivals import ArenaGuard, Arrivals, Round
from .layout import Layout, Parcel, Span
from .tree import Node, folded, subtrees
from .vectors import Vector, Vectors

_NOTHING = np.empty(0, np.float32)

Sums = Mapping[Node, Vector]
Read = list[Callable[[], Array]]
"""For each rank, what gives its pieces once they are on the host."""


class Sent(NamedTuple):
    """A parcel on its way.

    Attributes:
        parcel: What it has.
        sums: The sums of this rank's subtrees.
        got: What comes from each rank.
        pending: The call.
    """

    parcel: Parcel
    sums: Sums
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
        self.arrivals = Arrivals(group.rank)
        self._sent: Iterator[Sent] = iter(())
        self._first: Sent | None = None
        arenas = enumerate(layout.arenas if vectors.is_apart else ())
        self._guards = [(a.data, ArenaGuard(self.arrivals, k, a.data)) for k, a in arenas]

    def read(self, parcel: Parcel, sums: Sums) -> Read:
        """Have what others get of a parcel read from the device; nobody waits for it yet."""
        return [
            self._vectors.begin_read(
                [] if rank == self._group.rank else _parts(parcel, sums, theirs)
            )
            for rank, theirs in enumerate(parcel.pieces)
        ]

    def begin_sums(self, taken: Sequence[tuple[Parcel, Sums, Read]]) -> None:
        """Send the first parcel.

        Args:
            taken: All parcels, with the sums of this rank's subtrees, which are being read.
        """
        self._sent = (self._send(*each) for each in taken)
        self._first = next(self._sent, None)

    def gather_sums(self, samples: int) -> None:
        """Let the gradients of this rank's segment be the means over all shards.

        Args:
            samples: Of all shards; 0 if they have no gradients.
        """
        calls: list[Pending] = []
        before, self._first = self._first, None
        while before is not None:
            now = next(self._sent, None)
            if samples and before.parcel.pieces[self._group.rank]:
                before.pending.wait()
                self.put_means(before.parcel, before.sums, before.got, 1.0 / samples)
            calls.append(before.pending)
            before = now
        for call in calls:
            call.wait()
        self._vectors.free_rooms()

    def _send(self, parcel: Parcel, sums: Sums, read: Read) -> Sent:
        rank = self._group.rank
        length = sum(piece.size for piece in parcel.pieces[rank])
        sent = [pieces() for pieces in read]
        got = [self._vectors.room(len(nodes) * length) for nodes in self._nodes]
        sent[rank] = got[rank] = _NOTHING
        return Sent(parcel, sums, got, self._group.alltoallv(sent, got))

    def gather_weights(self, spans: Sequence[Span]) -> None:
        """Let all ranks have each other's segments.

        On a device that works on by itself they are brought there as they are needed.
        """
        rank, rounds = self._group.rank, self._layout.rounds(spans)
        self.arrivals.bring()
        self.guard_weights()  # another optimizer may have guarded them meanwhile
        self._vectors.free_weight_rooms()
        own = [self._vectors.begin_weights(pieces[rank]) for pieces in rounds]
        for pieces, mine in zip(rounds, own, strict=True):
            found = [
                mine() if r == rank else self._vectors.room_for_weights(theirs)
                for r, theirs in enumerate(pieces)
            ]
            pending = self._group.allgatherv(found[rank], found)
            self.arrivals.add(Round(pieces, found, pending), self._vectors)
        if not self._vectors.is_apart:
            self.arrivals.bring()

    def guard_weights(self) -> None:
        """Have weights that are on their way brought when something uses them."""
        for data, guard in self._guards:
            gpu.guard(data, guard)

    def put_means(self, parcel: Parcel, sums: Sums, got: Sequence[Array], share: float) -> None:
        """Sum what all ranks have of a parcel, in the order of the tree.

        Args:
            parcel: Of which this rank's pieces are summed.
            sums: Of this rank's subtrees.
            got: What came from each rank; nothing if there is one.
            share: What the sums are multiplied by.
        """
        own = self._nodes[self._group.rank]
        theirs: dict[Node, Any] = {}
        for nodes, values in zip(self._nodes, got, strict=bool(got)):
            if nodes is not own:
                theirs |= zip(nodes, np.split(values, len(nodes)), strict=True)
        at = 0
        for piece in parcel.pieces[self._group.rank]:
            found: dict[Node, Any] = {
                node: self._vectors.of_host(values[at : at + piece.size])
                for node, values in theirs.items()
            }
            mine = _parts(parcel, sums, [piece])
            found |= zip(own, [self._vectors.part(*part) for part in mine], strict=True)
            self._vectors.put_mean(piece, folded(found, self._shards, self._vectors.plus), share)
            at += piece.size


def _parts(parcel: Parcel, sums: Sums, pieces: Sequence[Span]) -> list[tuple[Any, int, int]]:
    """Where pieces lie in the arrays of a rank's sums, subtree after subtree."""
    return [
        (vector[k], piece.start - span.start, piece.stop - span.start)
        for vector in sums.values()
        for piece in pieces
        for k, span in enumerate(parcel.spans)
        if span.arena == piece.arena and span.start <= piece.start < span.stop
    ]
