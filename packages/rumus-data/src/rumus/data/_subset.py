"""Parts of data sets, and data sets put together."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from numbers import Integral, Real

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from ._buffers import BufferPool
from ._collate import stack_items
from ._dataset import BatchGetter, Dataset, Indices, batch_getter, checked_index, checked_indices
from ._gather import Pair, gathered_batch
from ._item import DataItem, as_array, raw_parts
from ._map import batch_of
from ._open_batch import OpenBatch, opened_batch
from ._order import generator
from ._scatter import scattered


class Subset:
    """Some samples of a data set.

    Args:
        dataset: The samples.
        indices: The numbers of those to keep, in any order.

    Raises:
        IndexError: One of them lies outside.
    """

    def __init__(self, dataset: Dataset, indices: Indices) -> None:
        self._dataset = dataset
        self._indices = checked_indices(indices, len(dataset))

    @property
    def parts(self) -> tuple[Dataset, ...]:
        """The data set below."""
        return (self._dataset,)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> DataItem:
        return self._dataset[int(self._indices[checked_index(index, len(self))])]

    @property
    def __getitems__(self) -> BatchGetter:
        """The batch path; it exists where the data set below has one."""
        getter = batch_getter(self._dataset)
        if getter is None:
            raise AttributeError(f"{type(self._dataset).__name__} has no __getitems__")
        return lambda indices: getter(self._indices[checked_indices(indices, len(self))])

    def gather_batch(self, indices: Indices) -> Pair | None:
        """The inputs and targets of a batch; None if they are no mere copy of alike samples."""
        numbers = self._indices[checked_indices(indices, len(self))]
        return gathered_batch(self._dataset, numbers)

    def open_batch(self, indices: Indices) -> OpenBatch | None:
        """A batch whose samples are still to be copied; None if the data set below has no such."""
        return opened_batch(self._dataset, self._indices[checked_indices(indices, len(self))])


class ConcatDataset:
    """Several data sets one after the other.

    Args:
        datasets: At least one.

    Raises:
        ArgumentError: There is none.
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        if not datasets:
            raise ArgumentError("ConcatDataset needs at least one data set")
        self._datasets = tuple(datasets)
        self._starts = [0, *accumulate(map(len, self._datasets))]
        self._pool = BufferPool()

    @property
    def parts(self) -> tuple[Dataset, ...]:
        """The data sets below."""
        return self._datasets

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> DataItem:
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

    def _batch(self, indices: Indices) -> DataItem:
        numbers = checked_indices(indices, len(self))
        if not len(numbers):
            raise ArgumentError("a batch needs at least one index")
        pair = scattered(numbers, self._starts, self._from_part, self._pool)
        if pair is not None:
            return DataItem(*pair)
        wanted = numbers.tolist()
        return stack_items([self[index] for index in wanted], wanted, self._pool)

    def gather_batch(self, indices: Indices) -> Pair | None:
        """The inputs and targets of a batch; None if they are no mere copy of alike samples."""
        numbers = checked_indices(indices, len(self))
        return scattered(numbers, self._starts, self._gathered_part, self._pool)

    def _gathered_part(self, part: int, numbers: npt.NDArray[np.intp]) -> Pair | None:
        return gathered_batch(self._datasets[part], numbers)

    def _from_part(self, part: int, numbers: npt.NDArray[np.intp]) -> Pair:
        input, target = raw_parts(batch_of(self._datasets[part], numbers, self._pool))
        return as_array(input), as_array(target)


def random_split(dataset: Dataset, lengths: Sequence[int | float], seed: int = 0) -> list[Subset]:
    """Parts of a data set that share no sample, drawn at random.

    Args:
        dataset: The samples.
        lengths: The length of each part; or shares that add up to 1, where samples left over by
            rounding down go one each to the first parts.
        seed: Where the random numbers come from, from 0.

    Returns:
        The parts, whose lengths add up to that of the data set.

    Raises:
        ArgumentError: The lengths do not add up, or one is negative; or the seed is.
    """
    counts = _counts(len(dataset), lengths)
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ArgumentError(f"seed must be an integer from 0, not {seed!r}")
    order = generator(seed).permutation(len(dataset))
    ends = list(accumulate(counts))
    return [
        Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)
    ]


def _counts(samples: int, lengths: Sequence[int | float]) -> list[int]:
    given = list(lengths)
    if all(isinstance(n, Real) and n >= 0 for n in given):
        if all(isinstance(n, Integral) for n in given) and sum(given) == samples:
            return [int(n) for n in given]
        if given and abs(math.fsum(given) - 1) < 1e-6:
            counts = [int(samples * share) for share in given]
            for k in range(samples - sum(counts)):
                counts[k % len(counts)] += 1
            return counts
    raise ArgumentError(
        f"lengths {given} must be counts that add up to the {samples} samples, or shares that add "
        "up to 1"
    )
