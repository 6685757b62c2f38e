"""The random numbers of a loader, in streams by purpose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from rumus.tensor import Generator

CURRENT = 2
"""The number of the way in which streams are made now."""


class Streams(Protocol):
    """Where a loader's random numbers come from."""

    def order(self, epoch: int, *bucket: int) -> np.random.Generator:
        """The numbers that shuffle an epoch, or a part of a very long one."""
        ...

    def sample(
        self, epoch: int, number: int, occurrence: int, index: int, nested: int
    ) -> np.random.Generator:
        """The numbers of one sample of an epoch.

        Args:
            epoch: The epoch.
            number: The loader's number of the sample.
            occurrence: How often it came before in the epoch.
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

    def sample(
        self, epoch: int, number: int, occurrence: int, index: int, nested: int
    ) -> np.random.Generator:
        """See :class:`Streams`."""
        stream = _samples_of(self.seed, epoch).derive(number, occurrence)
        return numpy_generator(stream, index, nested)


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

    def sample(
        self, epoch: int, number: int, occurrence: int, index: int, nested: int
    ) -> np.random.Generator:
        """See :class:`Streams`."""
        return _seeded(self.seed, epoch, index, spawn_key=(nested,) if nested else ())


def streams_of(seed: int, version: int) -> Streams:
    """The streams of a loader, made in the way of a number."""
    return PurposeStreams(seed) if version == CURRENT else FirstStreams(seed)


def numpy_generator(stream: Generator, *spawn_key: int) -> np.random.Generator:
    """Numpy's PCG64 with the seed of a stream, and numpy's own key below it."""
    return _seeded(stream.state()[0], spawn_key=spawn_key)


@lru_cache(maxsize=64)
def _samples_of(seed: int, epoch: int) -> Generator:
    return Generator(seed).derive("sample", epoch)


def _seeded(*entropy: int, spawn_key: tuple[int, ...]) -> np.random.Generator:
    sequence = np.random.SeedSequence(entropy, spawn_key=spawn_key)
    return np.random.Generator(np.random.PCG64(sequence))
