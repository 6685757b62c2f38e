"""The random numbers of a loader, in streams by purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from rumus.tensor import Generator

CURRENT = 2
"""The number of the way in which streams are made now."""
_MANY = 16  # samples from which on numpy is faster than Python


class Streams(Protocol):
    """Where a loader's random numbers come from."""

    def order(self, epoch: int, *bucket: int) -> np.random.Generator:
        """The numbers that shuffle an epoch, or a part of a very long one."""
        ...

    def keys(
        self, epoch: int, numbers: Sequence[int], occurrences: Sequence[int] | None
    ) -> Sequence[int]:
        """What the numbers of each sample of an epoch are made of.

        Args:
            epoch: The epoch.
            numbers: The loader's number of each sample.
            occurrences: How often each came before in the epoch; None for never.
        """
        ...

    def sample(self, epoch: int, key: int, index: int, nested: int) -> np.random.Generator:
        """The numbers of one sample of an epoch.

        Args:
            epoch: The epoch.
            key: From :meth:`keys`.
            index: The number of the sample in the data set that asks.
            nested: Which of several streams of that sample.
        """
        ...


@dataclass(frozen=True)
class PurposeStreams:
    """Streams whose paths begin with what they are for.

    Args:
        seed: The seed of the loader.
    """

    seed: int

    def order(self, epoch: int, *bucket: int) -> np.random.Generator:
        """See :class:`Streams`."""
        return numpy_generator(Generator(self.seed).derive("order", epoch, *bucket))

    def keys(
        self, epoch: int, numbers: Sequence[int], occurrences: Sequence[int] | None
    ) -> Sequence[int]:
        """See :class:`Streams`."""
        root = _samples_of(self.seed, epoch)
        again = occurrences or [0] * len(numbers)
        if len(numbers) < _MANY:
            return [root.derive(*path).state()[0] for path in zip(numbers, again, strict=True)]
        seeds: list[int] = root.derive_seeds(numbers, again).tolist()
        return seeds

    def sample(self, epoch: int, key: int, index: int, nested: int) -> np.random.Generator:
        """See :class:`Streams`."""
        return _seeded(key, spawn_key=(index, nested))


@dataclass(frozen=True)
class FirstStreams:
    """The streams of rumus-data 0.1, for the rest of an epoch that it began.

    Args:
        seed: The seed of the loader.
    """

    seed: int

    def order(self, epoch: int, *bucket: int) -> np.random.Generator:
        """See :class:`Streams`."""
        return _seeded(self.seed, epoch, spawn_key=bucket)

    def keys(
        self, epoch: int, numbers: Sequence[int], occurrences: Sequence[int] | None
    ) -> Sequence[int]:
        """See :class:`Streams`; these have none."""
        return numbers

    def sample(self, epoch: int, key: int, index: int, nested: int) -> np.random.Generator:
        """See :class:`Streams`."""
        return _seeded(self.seed, epoch, index, spawn_key=(nested,) if nested else ())


def streams_of(seed: int, version: int) -> Streams:
    """The streams of a loader, made in the way of a number."""
    return PurposeStreams(seed) if version == CURRENT else FirstStreams(seed)


def numpy_generator(stream: Generator) -> np.random.Generator:
    """Numpy's PCG64 with the seed of a stream."""
    return _seeded(stream.state()[0])


@lru_cache(maxsize=64)
def _samples_of(seed: int, epoch: int) -> Generator:
    return Generator(seed).derive("sample", epoch)


def _seeded(*entropy: int, spawn_key: tuple[int, ...] = ()) -> np.random.Generator:
    sequence = np.random.SeedSequence(entropy, spawn_key=spawn_key)
    return np.random.Generator(np.random.PCG64(sequence))
