"""Parts of data sets, and data sets put together."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from numbers import Integral, Real
from typing import Any, Generic

from rumus.tensor import ArgumentError, Generator

from ._arguments import checked_seed
from ._buffers import BufferPool
from ._collate import stack_items
from ._dataset import (
    BatchGetter,
    Dataset,
    Indices,
    batch_getter,
    checked_dataset,
    checked_index,
    checked_indices,
    described,
)
from ._gather import gathered_batch
from ._generic import S
from ._map import batch_of
from ._open_batch import OpenBatch, opened_batch
from ._random import numpy_generator
from ._sample_random import each_of_batch, part_of_batch
from ._scatter import IndexArray, scattered
from ._tree import Columns, columns_of_batch, tree_of


class Subset(Generic[S]):
    """Some samples of a data set.

    Args:
        dataset: The samples.
        indices: The numbers of those to keep, in any order; they are copied.

    Raises:
        ArgumentError: They are no row of integers.
        IndexError: One of them lies outside.

    Example:
        >>> odd = Subset(ArrayDataset(np.arange(6), np.arange(6)), [1, 3, 5])
        >>> len(odd), odd[2].input.item()
        (3, 5)
    """

    def __init__(self, dataset: Dataset[S], indices: Indices) -> None:
        self._dataset = checked_dataset("dataset", dataset)
        self._indices = checked_indices(indices, len(dataset)).copy()

    @property
    def parts(self) -> tuple[Dataset[S], ...]:
        """The data set below."""
        return (self._dataset,)

    def __repr__(self) -> str:
        return f"Subset({len(self)} of {described(self._dataset)})"

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> S:
        return self._dataset[int(self._indices[checked_index(index, len(self))])]

    @property
    def __getitems__(self) -> BatchGetter:
        """The batch path; it exists where the data set below has one."""
        getter = batch_getter(self._dataset)
        if getter is None:
            raise AttributeError(f"{type(self._dataset).__name__} has no __getitems__")
        return lambda indices: getter(self._indices[checked_indices(indices, len(self))])

    def gather_batch(self, indices: Indices) -> Columns | None:
        """The leaves of a batch; None if they are no mere copy of alike samples."""
        numbers = self._indices[checked_indices(indices, len(self))]
        return gathered_batch(self._dataset, numbers)

    def open_batch(self, indices: Indices) -> OpenBatch | None:
        """A batch whose samples are still to be copied; None if the data set below has no such."""
        return opened_batch(self._dataset, self._indices[checked_indices(indices, len(self))])


class ConcatDataset(Generic[S]):
    """Several data sets one after the other.

    Args:
        datasets: At least one.

    Raises:
        ArgumentError: There is none, or one is no data set.

    Example:
        >>> few, more = ArrayDataset(np.zeros(2), np.zeros(2)), ArrayDataset(np.ones(3), np.ones(3))
        >>> both = ConcatDataset([few, more])
        >>> len(both), both[4].input.item()
        (5, 1.0)
    """

    def __init__(self, datasets: Sequence[Dataset[S]]) -> None:
        if not isinstance(datasets, Sequence) or not datasets:
            raise ArgumentError(
                f"ConcatDataset needs a list of at least one data set, not {datasets!r}"
            )
        self._datasets = tuple(checked_dataset("each of datasets", part) for part in datasets)
        self._starts = [0, *accumulate(map(len, self._datasets))]
        self._pool = BufferPool()

    @property
    def parts(self) -> tuple[Dataset[S], ...]:
        """The data sets below."""
        return self._datasets

    def __repr__(self) -> str:
        inside = ", ".join(map(described, self._datasets))
        return f"ConcatDataset({len(self)} samples: {inside})"

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> S:
        index = checked_index(index, len(self))
        part = bisect_right(self._starts, index) - 1
        return self._datasets[part][index - self._starts[part]]

    @property
    def __getitems__(self) -> BatchGetter:
        """The batch path; it exists where all data sets below have one."""
        for dataset in self._datasets:
            if batch_getter(dataset) is None:
                raise AttributeError(f"{type(dataset).__name__} has no __getitems__")
        return self._batch

    def _batch(self, indices: Indices) -> Any:
        numbers = checked_indices(indices, len(self))
        if not len(numbers):
            raise ArgumentError("a batch needs at least one index")

        def from_part(part: int, inside: IndexArray, places: IndexArray | None) -> Columns:
            return self._from_part(part, inside, places, len(numbers))

        columns = scattered(numbers, self._starts, from_part, self._pool)
        if columns is not None:
            return tree_of(*columns)
        wanted = numbers.tolist()
        items = each_of_batch(len(wanted), lambda position: self[wanted[position]])
        return stack_items(items, wanted, self._pool)

    def gather_batch(self, indices: Indices) -> Columns | None:
        """The leaves of a batch; None if they are no mere copy of alike samples."""
        numbers = checked_indices(indices, len(self))
        return scattered(numbers, self._starts, self._gathered_part, self._pool)

    def _gathered_part(
        self, part: int, numbers: IndexArray, places: IndexArray | None
    ) -> Columns | None:
        return gathered_batch(self._datasets[part], numbers)

    def _from_part(
        self, part: int, numbers: IndexArray, places: IndexArray | None, count: int
    ) -> Columns:
        def fetch() -> Any:
            return batch_of(self._datasets[part], numbers, self._pool)

        batch = fetch() if places is None else part_of_batch(places.tolist(), count, fetch)
        return columns_of_batch(batch)


def random_split(
    dataset: Dataset[S], lengths: Sequence[int | float], seed: int = 0
) -> list[Subset[S]]:
    """Parts of a data set that share no sample, drawn at random.

    Args:
        dataset: The samples.
        lengths: The length of each part; or shares that add up to 1, each rounded down, where the
            samples left over go one each to those that lost most (the method of the largest
            remainder), and none to a share of 0.
        seed: Where the random numbers come from, from 0 to 2**64 - 1. They are others than those of
            a loader with the same seed.

    Returns:
        The parts, whose lengths add up to that of the data set.

    Raises:
        ArgumentError: The lengths do not add up, or one is negative; or the seed is no seed.

    Example:
        >>> data = ArrayDataset(np.arange(10), np.arange(10))
        >>> train, test = random_split(data, [8, 2], seed=0)
        >>> len(train), len(test)
        (8, 2)
    """
    counts = _counts(len(checked_dataset("dataset", dataset)), lengths)
    stream = Generator(checked_seed(seed)).derive("split")
    order = numpy_generator(stream).permutation(len(dataset))
    ends = list(accumulate(counts))
    return [
        Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)
    ]


def _counts(samples: int, lengths: Sequence[int | float]) -> list[int]:
    given = list(lengths)
    if all(isinstance(n, Real) and not isinstance(n, bool) and n >= 0 for n in given):
        if all(isinstance(n, Integral) for n in given) and sum(given) == samples:
            return [int(n) for n in given]
        if given and abs(math.fsum(given) - 1) < 1e-6:
            return _shared_out(samples, [Fraction(str(share)) for share in given])
    raise ArgumentError(
        f"lengths {given} must be counts that add up to the {samples} samples, or shares that add "
        "up to 1"
    )


def _shared_out(samples: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole numbers of samples in proportion to shares, by the largest remainders."""
    whole = sum(shares)
    exact = [samples * share / whole for share in shares]
    counts = [math.floor(part) for part in exact]
    by_remainder = sorted(range(len(shares)), key=lambda k: counts[k] - exact[k])
    for k in by_remainder[: samples - sum(counts)]:
        counts[k] += 1
    return counts
