"""Random numbers that belong to a sample, and not to the thread that happens to fetch it."""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from typing import TypeVar

import numpy as np

from rumus.tensor import ArgumentError

from ._errors import DatasetError
from ._random import PurposeStreams, Streams

T = TypeVar("T")


class Samples:
    """The samples that a thread fetches for a loader, with their places in the epoch.

    Args:
        streams: The loader's random numbers.
        epoch: The number of the epoch.
        numbers: The loader's number of each sample.
        occurrences: How often each came before in the epoch; None for never.

    Attributes:
        only: The position of the one sample that is being fetched; None for all of them.
    """

    def __init__(
        self,
        streams: Streams,
        epoch: int,
        numbers: Sequence[int] = (),
        occurrences: Sequence[int] | None = None,
    ) -> None:
        self.streams = streams
        self.epoch = epoch
        self.only: int | None = None
        self._numbers = numbers
        self._occurrences = occurrences
        self._keys: Sequence[int] | None = None
        self._positions: dict[int, list[int]] | None = None
        self._asked: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def at(self, positions: Sequence[int]) -> Samples:
        """Those at some positions."""
        numbers = [self._numbers[k] for k in positions]
        before = self._occurrences
        occurrences = None if before is None else [before[k] for k in positions]
        return Samples(self.streams, self.epoch, numbers, occurrences)

    def generator_at(self, position: int, index: int, nested: int) -> np.random.Generator:
        """The random numbers of the sample at a position."""
        if self._keys is None:
            self._keys = self.streams.keys(self.epoch, self._numbers, self._occurrences)
        return self.streams.sample(self.epoch, self._keys[position], index, nested)

    def generator_of(self, index: int, nested: int) -> np.random.Generator:
        """The random numbers of the sample that has a number in the data set that asks."""
        if self.only is not None:
            return self.generator_at(self.only, index, nested)
        if self._positions is None:
            self._positions = {}
            for position, number in enumerate(self._numbers):
                self._positions.setdefault(number, []).append(position)
        places = self._positions.get(index)
        if places is None:
            (key,) = self.streams.keys(self.epoch, [index], None)
            return self.streams.sample(self.epoch, key, index, nested)
        asked = self._asked.get((index, nested), 0)
        self._asked[index, nested] = asked + 1
        return self.generator_at(places[asked % len(places)], index, nested)


_OUTSIDE = PurposeStreams(0)
_samples: ContextVar[Samples] = ContextVar("rumus.data.samples")
_active: dict[int, Samples] = {}  # of all threads that fetch now
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_active.clear)


def sample_generator(index: int, nested: int = 0) -> np.random.Generator:
    """The random numbers of one sample in the current epoch.

    Inside a loader they depend on (seed, epoch, sample, occurrence) alone: the same for any number
    of workers and after a resume, and others each time that a sample comes in an epoch. In a batch
    that holds a sample several times, each call with its index is for the next of them. Outside of
    a loader the seed and the epoch are 0.

    A thread that a data set itself starts has the epoch of the loader, if only one epoch is being
    fetched, but knows no occurrences; ``contextvars.copy_context().run`` gives it all that its
    parent knows.

    Args:
        index: The number of the sample, from 0.
        nested: Which of several independent streams of that sample.

    Returns:
        ``Generator(PCG64(SeedSequence([key], spawn_key=(index, nested))))`` of numpy, where
        ``key`` is the seed of ``Generator(seed).derive("sample", epoch, number, occurrence)`` of
        rumus; ``number`` is that of the sample in the loader, which is another one than ``index``
        where a ``Subset`` stands in between.

    Raises:
        ArgumentError: The index or ``nested`` is negative or no integer.
        DatasetError: A thread of the data set's own cannot know which loader it works for, since
            several fetch different epochs.

    Example:
        >>> class Noise:
        ...     def __len__(self):
        ...         return 4
        ...     def __getitem__(self, index):
        ...         return DataItem(sample_generator(index).random(2), 0)
        >>> batches = [DataLoader(Noise(), 4, num_workers=n, seed=1).peek() for n in (0, 2)]
        >>> batches[0].input.tolist() == batches[1].input.tolist()
        True
    """
    if _number(index) < 0 or _number(nested) < 0:
        raise ArgumentError(f"a sample's index and nested are from 0, not {index} and {nested}")
    samples = _samples.get(None)
    return (_elsewhere() if samples is None else samples).generator_of(index, nested)


def sample_generators(indices: Sequence[int], nested: int) -> list[np.random.Generator]:
    """The random numbers of each sample of a batch, in order."""
    samples = _batch(len(indices))
    if samples is None:
        return [sample_generator(index, nested) for index in indices]
    return [samples.generator_at(k, index, nested) for k, index in enumerate(indices)]


def fetching(samples: Samples, fetch: Callable[[Samples], T]) -> T:
    """The result of a function that fetches samples for a loader, on this thread."""
    try:
        _active[id(samples)] = samples
        return copy_context().run(_within, samples, fetch)
    finally:
        _active.pop(id(samples), None)


def part_of_batch(positions: Sequence[int], count: int, fetch: Callable[[], T]) -> T:
    """The result of a function that fetches some samples of a batch.

    Args:
        positions: Where in the batch they are.
        count: The number of samples in the batch.
        fetch: Fetches them.
    """
    samples = _batch(count)
    if samples is None:
        return fetch()
    return copy_context().run(_within, samples.at(positions), lambda part: fetch())


def each_of_batch(count: int, fetch: Callable[[int], T]) -> list[T]:
    """The results of a function that fetches one sample of a batch, by its position.

    Args:
        count: The number of samples in the batch.
        fetch: Fetches one.
    """
    samples = _batch(count)
    if samples is None:
        return [fetch(position) for position in range(count)]
    return copy_context().run(_within, samples.at(range(count)), lambda own: _each(own, fetch))


def _batch(count: int) -> Samples | None:
    """The samples that this thread fetches, if they are a batch of that many."""
    samples = _samples.get(None)
    return samples if samples and samples.only is None and len(samples) == count else None


def _each(samples: Samples, fetch: Callable[[int], T]) -> list[T]:
    results = []
    for position in range(len(samples)):
        samples.only = position
        results.append(fetch(position))
    return results


def _number(value: int) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ArgumentError(f"samples are numbered by integers, not by {value!r}") from None


def _within(samples: Samples, fetch: Callable[[Samples], T]) -> T:
    _samples.set(samples)
    return fetch(samples)


def _elsewhere() -> Samples:
    """What a thread that fetches nothing for a loader is taken to work for."""
    if threading.current_thread() is threading.main_thread():
        return Samples(_OUTSIDE, 0)
    active = list(_active.copy().values())
    if not active:
        return Samples(_OUTSIDE, 0)
    if len({(samples.streams, samples.epoch) for samples in active}) > 1:
        raise DatasetError(
            f"sample_generator was called in thread {threading.current_thread().name!r}, which a "
            "data set started, while loaders fetch different epochs; call it where the sample is "
            "asked for and hand the generator over, or run the thread's work in "
            "contextvars.copy_context()"
        )
    return Samples(active[0].streams, active[0].epoch)
