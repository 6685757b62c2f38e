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

    def positions(self, number: int) -> slice:
        """The positions of a batch in the order."""
        size = self.global_batch_size
        start = self.rank + number * size
        return slice(start, start + size, self.world_size)
