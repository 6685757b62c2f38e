"""What makes a loader's batches: of a data set with numbers, and of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from rumus.tensor import Device

from ._buffers import BufferPool
from ._collate import Collate
from ._fetch import Fetcher, StopFlag
from ._group import PREFETCH, gathers, sharing_for
from ._iterator import OwnThread, Source
from ._lending import Lending
from ._order import Order
from ._orders import Orders, count_of
from ._pipeline import Pipeline
from ._plan import ShardSplit, Split
from ._random import streams_of
from ._state import Identity, Position
from ._stream import is_stream
from ._stream_fetch import StreamFetcher, lanes_of

ENDLESS = 1 << 60
"""The number behind the last batch of a stream, whose end shows when it is read."""


@dataclass(frozen=True)
class Sources:
    """What a loader was given, and what it makes of that for an epoch.

    Attributes:
        dataset: The samples.
        split: How batches are shared.
        orders: Makes the order of each epoch.
        collate: The user's, or None for stacking.
        device: Where batches go.
        seed: Where random numbers come from.
        parts: In how many parts each shard of a stream is read.
        skips_errors: Whether samples that cannot be read are left out.
        workers: Threads that make batches.
        prefetch: Finished batches that wait, per worker; None for a good number.
        pool: The memory of stacked batches.
    """

    dataset: Any
    split: Split | ShardSplit
    orders: Orders
    collate: Collate | None
    device: Device
    seed: int
    parts: int
    skips_errors: bool
    workers: int
    prefetch: int | None
    pool: BufferPool

    @cached_property
    def of_stream(self) -> bool:
        """Whether the data set is a stream."""
        return is_stream(self.dataset)

    def count(self) -> int:
        """What an epoch has, of all ranks together: samples, or the batches of a batch_sampler."""
        return self.orders.count(self.dataset)

    def ends(self, count: int | None = None) -> tuple[int, int]:
        """The number of batches of this rank, and of the rank that has the most.

        Args:
            count: What the epoch has (default: what a new one would have).
        """
        if self.of_stream:
            return ENDLESS, ENDLESS
        return self.orders.ends(self.split, self.count() if count is None else count)

    def order(self, start: Position) -> Order:
        """The order of an epoch."""
        return self.orders.order(len(self.dataset), start, self.split)

    def identity(self) -> Identity:
        """What a position of a loop is a position in."""
        if not self.of_stream:
            return self.orders.identity(len(self.dataset), self.split)
        return {
            "seed": self.seed,
            "shards": self.split.shards,
            "stream_parts": self.parts,
            "batch_size": self.split.global_batch_size,
            "drop_last": self.split.drop_last,
        }

    def fetcher(self, start: Position, order: Order, stop: StopFlag, lending: Lending) -> Fetcher:
        """Makes the batches of an epoch, in an order."""
        return Fetcher(
            dataset=self.dataset,
            length=len(self.dataset),
            order=order,
            split=self.split,
            collate=self.collate,
            device=self.device,
            streams=streams_of(self.seed, start.streams),
            epoch=start.epoch,
            skips_errors=self.skips_errors,
            pool=self.pool,
            stop=stop,
            lending=lending,
        )

    def stream_fetcher(self, start: Position, stop: StopFlag) -> StreamFetcher:
        """Makes the batches of an epoch of a stream."""
        set_epoch = getattr(self.dataset, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(start.epoch)
        return StreamFetcher(
            lanes=lanes_of(self.dataset, self.split, self.parts, start),
            split=self.split,
            collate=self.collate,
            device=self.device,
            streams=streams_of(self.seed, start.streams),
            epoch=start.epoch,
            pool=self.pool,
            stop=stop,
            name=type(self.dataset).__name__,
        )

    def source(self, start: Position, order: Order, stop: StopFlag, lending: Lending) -> Source:
        """Where the batches of an epoch come from."""
        fetcher = self.fetcher(start, order, stop, lending)
        width = self.split.width
        first, end = start.batch * width, self.ends(count_of(order))[0] * width
        gathered = self.collate is None and gathers(self.dataset)
        share = sharing_for(
            self.dataset, self.split.batch_size, self.workers, self.prefetch, gathered
        )
        if not self.workers or first >= end:
            return OwnThread(fetcher.several, first, end, share.group, stop)
        parts = partial(fetcher.parts, count=share.parts)
        return Pipeline(parts, first, end, self.workers, share.room, share.group, stop)

    def stream_source(self, start: Position, stop: StopFlag) -> Source:
        """Where the batches of an epoch of a stream come from."""
        fetcher = self.stream_fetcher(start, stop)
        first = start.batch * self.split.width
        if not self.workers:
            return OwnThread(fetcher.several, first, ENDLESS, 1, stop)
        room = self.workers * ((self.prefetch or PREFETCH) + 1)
        return Pipeline(fetcher.parts, first, ENDLESS, self.workers, room, 1, stop)
