"""Where a loader's orders come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rumus.tensor import ArgumentError

from ._dataset import Dataset
from ._order import (
    BatchedOrder,
    BatchSampler,
    Order,
    RandomSampler,
    Sampler,
    SequentialOrder,
    batched_order,
    sampled_order,
    shuffled_order,
)
from ._plan import ShardSplit, Split
from ._random import streams_of
from ._state import Identity, Position


@dataclass(frozen=True)
class Orders:
    """Makes the order of each epoch.

    An epoch is counted in samples, or in the batches of a ``batch_sampler``.

    Attributes:
        shuffle: Whether samples are shuffled.
        seed: Where random numbers come from.
        sampler: Gives the samples; None for all of the data set.
        batch_sampler: Gives the batches; None for batches of one size.
    """

    shuffle: bool
    seed: int
    sampler: Sampler | RandomSampler | None
    batch_sampler: BatchSampler | RandomSampler | None

    def __post_init__(self) -> None:
        _check_sampler("sampler", self.sampler)
        _check_sampler("batch_sampler", self.batch_sampler)
        if self.shuffle and self.sampler is not None:
            raise ArgumentError("shuffle and sampler both give an order; take one of them")
        if self.batch_sampler is not None and (self.shuffle or self.sampler is not None):
            raise ArgumentError("batch_sampler gives whole batches, without shuffle and sampler")

    @property
    def are_given(self) -> bool:
        """Whether they are other than that of the data set."""
        return self.shuffle or self.sampler is not None or self.batch_sampler is not None

    def check_population(self, samples: int) -> None:
        """Refuse a sampler that was made for another number of samples.

        Raises:
            ArgumentError: It was; some samples would never come, or those that are not there.
        """
        sampler = self.batch_sampler if self.sampler is None else self.sampler
        made_for = getattr(sampler, "population", samples)
        if made_for != samples:
            raise ArgumentError(
                f"the {type(sampler).__name__} was given {made_for} numbers, one a sample, and the "
                f"data set has {samples} samples"
            )

    def count(self, dataset: Dataset[Any]) -> int:
        """What an epoch has, of all ranks together."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)
        return len(dataset if self.sampler is None else self.sampler)

    def ends(self, split: Split | ShardSplit, count: int) -> tuple[int, int]:
        """The number of batches of a rank, and of the rank that has the most."""
        if self.batch_sampler is not None:
            return count, count
        return split.batches(count), split.last(count)

    def order(self, length: int, start: Position, split: Split | ShardSplit) -> Order:
        """The order of an epoch.

        Args:
            length: The samples of the data set.
            start: Where the epoch is begun.
            split: How batches are shared.
        """
        streams = streams_of(self.seed, start.streams)
        sampler = self.batch_sampler if self.sampler is None else self.sampler
        set_epoch = getattr(sampler, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(start.epoch)
        if self.sampler is not None:
            return sampled_order(self.sampler, length, lambda: streams.order(start.epoch))
        if self.batch_sampler is not None:
            batches = batched_order(self.batch_sampler, length, lambda: streams.order(start.epoch))
            _check_shared(batches, split)
            return batches
        if self.shuffle:
            return shuffled_order(length, streams, start.epoch)
        return SequentialOrder(length)

    def identity(self, length: int, split: Split | ShardSplit) -> Identity:
        """What a position of a loop is a position in."""
        if self.batch_sampler is not None:
            return {"batches": len(self.batch_sampler), "seed": self.seed, "length": length}
        return {
            "sampler": None if self.sampler is None else len(self.sampler),
            "seed": self.seed,
            "length": length,
            "shuffle": self.shuffle,
            "batch_size": split.global_batch_size,
            "drop_last": split.drop_last,
        }


def count_of(order: Order) -> int:
    """What the epoch of an order has: samples, or the batches of a batch_sampler."""
    return order.batches if isinstance(order, BatchedOrder) else len(order)


def _check_shared(order: BatchedOrder, split: Split | ShardSplit) -> None:
    """Refuse batches in which a rank would have no part, unless shards may be empty."""
    least = 1 if isinstance(split, ShardSplit) else split.world_size
    smallest = order.smallest()
    if smallest is not None and smallest < least:
        raise ArgumentError(
            f"the batch_sampler gives a batch of {smallest} samples, and each of the {least} ranks "
            "needs one of every batch"
        )


def _check_sampler(name: str, sampler: object) -> None:
    if sampler is not None and not (
        hasattr(sampler, "__len__") and (hasattr(sampler, "__iter__") or hasattr(sampler, "draw"))
    ):
        raise ArgumentError(
            f"the {name} must have a length and give its numbers anew in each epoch; a "
            f"{type(sampler).__name__} has none"
        )
