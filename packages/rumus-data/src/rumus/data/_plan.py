"""Which samples go into which batch."""

from __future__ import annotations

from dataclasses import dataclass

from rumus.tensor import ArgumentError


@dataclass(frozen=True)
class Split:
    """How a loader cuts an order of samples into batches.

    Rank r of w takes the positions r, r + w, r + 2w, …: each sample goes to exactly one rank, and
    batch k of all ranks together are neighbours in the order. If the number of samples is no
    multiple of w, the first ranks have one sample more; with ``drop_last`` that remainder is left
    out, so that all ranks have the same number of full batches.

    Attributes:
        batch_size: Samples in a batch.
        drop_last: Whether a last batch that is not full is left out.
        rank: The number of this process among those that share the samples.
        world_size: How many they are.
    """

    batch_size: int
    drop_last: bool
    rank: int
    world_size: int

    def __post_init__(self) -> None:
        if self.rank >= self.world_size:
            raise ArgumentError(f"rank must be below world_size={self.world_size}, not {self.rank}")

    @property
    def global_batch_size(self) -> int:
        """Samples in the batches that all ranks take at once."""
        return self.batch_size * self.world_size

    @property
    def width(self) -> int:
        """The parts of a batch that this rank makes."""
        return 1

    def last(self, samples: int) -> int:
        """The number of batches of the rank that has the most."""
        full, rest = divmod(samples, self.global_batch_size)
        return full + (rest > 0 and not self.drop_last)

    def batches(self, samples: int) -> int:
        """The number of batches of this rank.

        Raises:
            ArgumentError: There are fewer samples than ranks.
        """
        if self.world_size > max(samples, 1):
            raise ArgumentError(
                f"world_size={self.world_size} is larger than the {samples} samples to share"
            )
        if self.drop_last:
            return samples // self.world_size // self.batch_size
        mine = (samples - self.rank + self.world_size - 1) // self.world_size
        return -(-mine // self.batch_size)

    def positions(self, number: int, samples: int) -> slice:
        """The positions of a batch in an order of so many samples."""
        start = number * self.global_batch_size
        return self.share(number, start, min(start + self.global_batch_size, samples))

    def share(self, number: int, start: int, stop: int) -> slice:
        """The positions of this rank's batch in a global one."""
        return slice(start + self.rank, stop, self.world_size)

    @property
    def shards(self) -> int:
        """The parts of a global batch, of all ranks together."""
        return self.world_size

    @property
    def owned(self) -> range:
        """Those of this rank."""
        return range(self.rank, self.rank + 1)


@dataclass(frozen=True)
class ShardSplit:
    """How a loader cuts an order of samples into shards of global batches.

    A global batch is ``shards`` parts of neighbours in the order, whose sizes differ by one sample
    at most and may be 0. Rank r of w owns the parts from ``shards · r // w`` to
    ``shards · (r + 1) // w``. Parts are numbered through: first all that are owned of the first
    global batch, then those of the second.

    Attributes:
        global_batch_size: Samples of all shards together.
        drop_last: Whether a last global batch that is not full is left out.
        shards: The parts of a global batch.
        rank: The number of this process.
        world_size: How many they are.
    """

    global_batch_size: int
    drop_last: bool
    shards: int
    rank: int
    world_size: int

    def __post_init__(self) -> None:
        if self.world_size > self.shards:
            raise ArgumentError(
                f"world={self.world_size} processes cannot share {self.shards} shards: each needs "
                "one at least"
            )
        if self.rank >= self.world_size:
            raise ArgumentError(f"rank must be below world={self.world_size}, not {self.rank}")

    @property
    def owned(self) -> range:
        """The shards of this rank."""
        first = self.shards * self.rank // self.world_size
        return range(first, self.shards * (self.rank + 1) // self.world_size)

    @property
    def width(self) -> int:
        """The parts of a batch that this rank makes."""
        return len(self.owned)

    @property
    def batch_size(self) -> int:
        """Samples of the largest part."""
        return -(-self.global_batch_size // self.shards)

    def last(self, samples: int) -> int:
        """The number of global batches."""
        full, rest = divmod(samples, self.global_batch_size)
        return full + (rest > 0 and not self.drop_last)

    def batches(self, samples: int) -> int:
        """The number of global batches, in which every rank has a part."""
        return self.last(samples)

    def positions(self, number: int, samples: int) -> slice:
        """The positions of a part in an order of so many samples."""
        start = number // self.width * self.global_batch_size
        return self.share(number, start, min(start + self.global_batch_size, samples))

    def share(self, number: int, start: int, stop: int) -> slice:
        """The positions of a part in a global batch."""
        size, shard = stop - start, self.owned[number % self.width]
        return slice(start + size * shard // self.shards, start + size * (shard + 1) // self.shards)
