"""The parcels of a step: summed and read as soon as backward passes complete them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rumus.autograd import Leaf
from rumus.tensor import Tensor, TensorBase

from .exchange import Exchange, Read, Sums
from .layout import Layout, Parcel, Span
from .sums import ShardSums
from .vectors import Vector, Vectors


class Part(NamedTuple):
    """A backward pass over a shard's samples.

    Attributes:
        shard: Whose.
        samples: That its gradients are the mean of.
        is_last: Whether the step has no further batch.
    """

    shard: int
    samples: int
    is_last: bool


class ParcelSums:
    """The sums of one parcel, and their way to other ranks.

    Args:
        parcel: What it has.
        own: The shards of this rank.
        shards: Of all ranks.
        vectors: The sums' device.
        exchange: Reads what others get.
    """

    def __init__(
        self, parcel: Parcel, own: range, shards: int, vectors: Vectors, exchange: Exchange
    ) -> None:
        self.parcel = parcel
        self._own, self._vectors, self._exchange = own, vectors, exchange
        zeros = partial(vectors.zeros, parcel.spans)
        self._sums: ShardSums[Vector] = ShardSums(own, shards, vectors.added, zeros)
        self._added: Part | None = None
        self._taken: tuple[Sums, Read] | None = None

    def add(self, part: Part) -> None:
        """Take the gradients in the arenas as those of a part, if that was not done."""
        if self._added is part:
            return
        self._added = part
        value = self._vectors.weighted(self.parcel.spans, float(part.samples))
        self._sums.add(part.shard, value, part.is_last)
        if part.is_last and part.shard == self._own[-1]:
            self.take()

    @property
    def is_taken(self) -> bool:
        """Whether it is on its way to the host."""
        return self._taken is not None

    def take(self) -> tuple[Sums, Read]:
        """The sums of this rank's subtrees, and what others get of them, which is being read."""
        if self._taken is None:
            sums = self._sums.take()
            self._taken = sums, self._exchange.read(self.parcel, sums)
        return self._taken

    def clear(self) -> None:
        """Begin anew."""
        if self._taken is not None:
            for vector in self._taken[0].values():
                self._vectors.free(vector)
        self._sums.clear()
        self._added = self._taken = None


class Completion:
    """Which gradients complete which parcels.

    Args:
        parcels: Of a step.
        layout: Of the arenas.
        places: Each parameter's gradient in the arenas.
    """

    def __init__(
        self, parcels: Sequence[Parcel], layout: Layout, places: Mapping[Leaf, Tensor]
    ) -> None:
        self._places = places
        self._met: dict[Leaf, list[int]] = {}
        """The parcels that have a part of a parameter."""
        for k, arena in enumerate(layout.arenas):
            for slot in arena.slots:
                parameter: Any = slot.parameter
                if parameter.requires_grad:
                    span = Span(k, slot.offset, slot.offset + slot.size)
                    self._met[parameter] = [i for i, p in enumerate(parcels) if _meets(p, span)]
        self._counts = Counter(k for found in self._met.values() for k in found)

    def follower(self, complete: Callable[[int], None]) -> Callable[[Leaf, TensorBase], None]:
        """What is told of the gradients of one backward pass, and tells of each whole parcel."""
        missing = self._counts.copy()

        def follow(leaf: Leaf, grad: TensorBase) -> None:
            if leaf not in self._met or not shares(grad.array, self._places[leaf].array):
                return
            for k in self._met[leaf]:
                missing[k] -= 1
                if not missing[k]:
                    complete(k)

        return follow


def shares(a: Any, b: Any) -> bool:
    """Whether two arrays of one device have memory in common."""
    if isinstance(b, np.ndarray):
        return bool(np.may_share_memory(a, b))
    return a.storage is b.storage


def _meets(parcel: Parcel, span: Span) -> bool:
    return any(
        other.arena == span.arena and other.start < span.stop and span.start < other.stop
        for other in parcel.spans
    )
