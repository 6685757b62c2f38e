"""The order of an epoch, as a function of the seed and the epoch's number alone."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice, pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from ._random import Streams

IndexArray = npt.NDArray[np.integer[Any]]

BUCKETED_FROM = 1 << 22
_BUCKETS = 256
_CHUNK = 1 << 18  # samples; what is done with them stays within a processor's cache


class Order(Protocol):
    """The positions of an epoch, each with the number of a sample."""

    def __len__(self) -> int:
        """The number of positions."""
        ...

    def take(self, positions: slice) -> IndexArray:
        """The samples at a range of positions."""
        ...

    def occurrences(self, positions: slice) -> IndexArray | None:
        """How often each of them came before; None if no sample comes twice."""
        ...


class Sampler(Protocol):
    """The numbers of an epoch's samples."""

    def __len__(self) -> int:
        """How many they are."""
        ...

    def __iter__(self) -> Iterator[int]:
        """The numbers in order."""
        ...


class RandomSampler(Protocol):
    """The numbers of an epoch's samples, or its batches, drawn with the loader's random numbers."""

    def __len__(self) -> int:
        """How many they are, in every epoch."""
        ...

    def draw(self, rng: np.random.Generator, /) -> Iterable[Any]:
        """The numbers in order, or the numbers of each batch."""
        ...


class BatchSampler(Protocol):
    """The numbers of the samples of each of an epoch's batches."""

    def __len__(self) -> int:
        """How many batches they are."""
        ...

    def __iter__(self) -> Iterator[Sequence[int] | IndexArray]:
        """The batches in order."""
        ...


class SequentialOrder:
    """The samples as they are numbered.

    Args:
        length: The number of samples.
    """

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def take(self, positions: slice) -> IndexArray:
        """The samples at a range of positions."""
        return np.arange(*positions.indices(self._length), dtype=np.intp)

    def occurrences(self, positions: slice) -> None:
        """None: no sample comes twice."""


class ArrayOrder:
    """An order that is written down.

    Args:
        indices: The sample at each position.
        occurrences: How often each came before; None if none comes twice.
    """

    def __init__(self, indices: IndexArray, occurrences: IndexArray | None = None) -> None:
        self._indices = indices
        self._occurrences = occurrences

    def __len__(self) -> int:
        return len(self._indices)

    def take(self, positions: slice) -> IndexArray:
        """The samples at a range of positions."""
        return self._indices[positions]

    def occurrences(self, positions: slice) -> IndexArray | None:
        """How often the samples at a range of positions came before."""
        return None if self._occurrences is None else self._occurrences[positions]


class BatchedOrder(ArrayOrder):
    """An order that is cut into batches already.

    Args:
        batches: The samples of each.
    """

    def __init__(self, batches: Sequence[IndexArray]) -> None:
        indices = np.concatenate(batches) if batches else np.empty(0, np.intp)
        super().__init__(indices, _occurrences(indices))
        self._ends = [0, *accumulate(map(len, batches))]

    @property
    def batches(self) -> int:
        """How many they are."""
        return len(self._ends) - 1

    def smallest(self) -> int | None:
        """The samples of the smallest batch; None if there is none."""
        return min((end - start for start, end in pairwise(self._ends)), default=None)

    def bounds(self, batch: int) -> tuple[int, int]:
        """Where a batch begins and ends."""
        return self._ends[batch], self._ends[batch + 1]


class BucketedOrder:
    """A shuffle of very many samples whose later parts are shuffled when they are needed.

    Each sample is thrown into one of 256 buckets at random, then each bucket is shuffled by Fisher
    and Yates: all permutations are equally likely (Rao 1961, Sandelius 1962), and the swaps
    of a bucket stay within a processor's cache.

    Args:
        length: The number of samples, below 2**63.
        streams: Where the random numbers come from.
        epoch: The number of the epoch.
    """

    def __init__(self, length: int, streams: Streams, epoch: int) -> None:
        self._streams, self._epoch = streams, epoch
        self._indices, self._starts = _scattered(length, streams.order(epoch))
        self._shuffled = [False] * _BUCKETS
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._indices)

    def take(self, positions: slice) -> IndexArray:
        """The samples at a range of positions."""
        start, stop, step = positions.indices(len(self._indices))
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        for bucket in range(first, _BUCKETS):
            if self._starts[bucket] >= stop:
                break
            if not self._shuffled[bucket]:
                self._shuffle(bucket)
        return self._indices[start:stop:step]

    def occurrences(self, positions: slice) -> None:
        """None: no sample comes twice."""

    def _shuffle(self, bucket: int) -> None:
        with self._lock:
            if not self._shuffled[bucket]:
                own = self._streams.order(self._epoch, bucket)
                own.shuffle(self._indices[self._starts[bucket] : self._starts[bucket + 1]])
                self._shuffled[bucket] = True


def shuffled_order(length: int, streams: Streams, epoch: int) -> Order:
    """All samples once, shuffled by Fisher and Yates.

    Args:
        length: The number of samples.
        streams: Where the random numbers come from.
        epoch: The number of the epoch, 0 or more.

    Returns:
        The order: numpy's ``shuffle`` of the numbers up to four million samples, a
        :class:`BucketedOrder` for more.
    """
    if length > BUCKETED_FROM:
        return BucketedOrder(length, streams, epoch)
    indices = np.arange(length, dtype=np.intp)
    streams.order(epoch).shuffle(indices)
    return ArrayOrder(indices)


def sampled_order(
    sampler: Sampler | RandomSampler, length: int, random: Callable[[], np.random.Generator]
) -> Order:
    """The order that a sampler gives.

    Args:
        sampler: Numbers of samples, as many as its length says.
        length: The number of samples in the data set.
        random: Gives the random numbers of the epoch, for a sampler that draws.

    Raises:
        ArgumentError: It gives an index outside the data set, something that is no integer, or
            fewer or more indices than its length says.
    """
    promised = len(sampler)
    drawn = _drawn(sampler, random)
    try:
        indices = np.fromiter(map(_integer, islice(drawn, promised + 1)), np.intp)
    except OverflowError as error:
        raise ArgumentError(f"the sampler gives an index that is too large: {error}") from error
    if len(indices) != promised:
        given = "more" if len(indices) > promised else len(indices)
        raise ArgumentError(f"the sampler's length is {promised}, and it gives {given} indices")
    _check_inside(indices, length, "the sampler")
    return ArrayOrder(indices, _occurrences(indices))


def batched_order(
    sampler: BatchSampler | RandomSampler, length: int, random: Callable[[], np.random.Generator]
) -> BatchedOrder:
    """The order that a sampler of batches gives; arguments and errors as :func:`sampled_order`."""
    promised = len(sampler)
    batches = []
    for batch in islice(_drawn(sampler, random), promised + 1):
        try:
            batches.append(np.fromiter(map(_integer, batch), np.intp))
        except TypeError:
            raise ArgumentError(
                f"the batch_sampler must give lists of samples' numbers, not {batch!r}"
            ) from None
        except OverflowError as error:
            raise ArgumentError(f"the batch_sampler gives a too large index: {error}") from error
        _check_inside(batches[-1], length, f"batch {len(batches) - 1} of the batch_sampler")
    if len(batches) != promised:
        given = "more" if len(batches) > promised else len(batches)
        raise ArgumentError(f"the batch_sampler's length is {promised}, and it gives {given}")
    return BatchedOrder(batches)


def _drawn(sampler: Any, random: Callable[[], np.random.Generator]) -> Iterable[Any]:
    drawn: Iterable[Any] = sampler.draw(random()) if hasattr(sampler, "draw") else sampler
    return drawn


def _check_inside(indices: IndexArray, length: int, what: str) -> None:
    outside = np.flatnonzero((indices < 0) | (indices >= length))
    if outside.size:
        position = int(outside[0])
        raise ArgumentError(
            f"{what} gives index {indices[position]} at position {position}, "
            f"outside a data set of {length} samples"
        )


def _occurrences(indices: IndexArray) -> IndexArray | None:
    """How often the number at each position came before; None if none comes twice."""
    by_number = indices.argsort(kind="stable")
    ordered = indices[by_number]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(indices)])
    if len(first) == len(indices):
        return None
    repeats = np.diff(np.append(first, len(indices)))
    result = np.empty_like(by_number)
    result[by_number] = np.arange(len(indices)) - first.repeat(repeats)
    return result


def _integer(value: object) -> int:
    if isinstance(value, bool | np.bool_):
        raise ArgumentError(
            f"the sampler must give the numbers of samples, not {value}; np.flatnonzero(mask) "
            "makes numbers of a mask"
        )
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ArgumentError(f"the sampler must give integers, not {value!r}") from None


def _scattered(
    length: int, random: np.random.Generator
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """All numbers, thrown into buckets, and where each bucket starts."""
    buckets = random.integers(0, _BUCKETS, length, dtype=np.uint8)
    chunks = range(0, length, _CHUNK)
    counts = np.array(
        [np.bincount(buckets[chunk : chunk + _CHUNK], minlength=_BUCKETS) for chunk in chunks]
    )
    starts = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
    places = starts[:-1].tolist()
    indices = np.empty(length, np.int32 if length <= 1 << 31 else np.int64)
    for chunk, chunk_counts in zip(chunks, counts.tolist(), strict=True):
        # a stable sort of bytes is one counting pass
        samples = buckets[chunk : chunk + _CHUNK].argsort(kind="stable").astype(indices.dtype)
        samples += indices.dtype.type(chunk)
        begin = 0
        for bucket, count in enumerate(chunk_counts):
            place = places[bucket]
            indices[place : place + count] = samples[begin : begin + count]
            places[bucket] = place + count
            begin += count
    return indices, starts
