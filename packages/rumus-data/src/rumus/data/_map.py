"""A data set whose samples are transformed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

from rumus.tensor import ArgumentError

from ._arguments import checked_flag
from ._buffers import BufferPool
from ._collate import stack_items
from ._dataset import (
    BatchGetter,
    Dataset,
    Indices,
    batch_getter,
    checked_batch,
    checked_dataset,
    checked_index,
    checked_indices,
)
from ._errors import DatasetError
from ._item import DataItem, as_array, raw_parts
from ._sample_random import each_of_batch, sample_generator, sample_generators


class RandomTransform(Protocol):
    """A transform that asks for random numbers by naming a parameter ``rng``."""

    def __call__(self, item: DataItem, /, *, rng: np.random.Generator) -> DataItem:
        """The transformed sample."""
        ...


class RandomBatchTransform(Protocol):
    """A transform of whole batches that asks for random numbers by naming ``rngs``."""

    def __call__(self, batch: DataItem, /, *, rngs: list[np.random.Generator]) -> DataItem:
        """The transformed batch, given a generator for each of its samples."""
        ...


Transform: TypeAlias = Callable[[DataItem], DataItem] | RandomTransform | RandomBatchTransform


class MapDataset:
    """The samples of another data set, each put through a function.

    A transform that has a parameter named ``rng`` is given a ``numpy.random.Generator`` that
    depends on the loader's seed, the epoch, the sample's number and how often it came before in the
    epoch alone, so that augmented samples are bit for bit the same for any number of workers and
    after a resume. Where several such data
    sets stand on each other, each has random numbers of its own; a data set of yours between them
    has to name the one below in an attribute ``parts``, a tuple.

    If the data set has ``__getitems__``, its samples are still fetched a batch at a time.

    Args:
        dataset: The samples.
        transform: From a sample to a sample; may name a parameter ``rng``.
        batched: Whether ``transform`` takes and gives a whole batch, whose first axis counts the
            samples. It may then name ``rngs``, a list with a generator for each sample.

    Raises:
        ArgumentError: ``transform`` is no function.
        DatasetError: (from a sample) ``transform`` gave something else than a DataItem.

    Example:
        >>> def flip(item: DataItem, rng: np.random.Generator) -> DataItem:
        ...     x = item.input.numpy()
        ...     return DataItem(x[:, ::-1] if rng.random() < 0.5 else x, item.target)
        >>> flipped = MapDataset(ArrayDataset(np.zeros((5, 28, 28)), np.arange(5)), flip)
    """

    def __init__(self, dataset: Dataset, transform: Transform, batched: bool = False) -> None:
        if not callable(transform):
            raise ArgumentError(f"transform must be a function, not {transform!r}")
        self._dataset = checked_dataset("dataset", dataset)
        self._transform = transform
        self._batched = checked_flag("batched", batched)
        self._random = ("rngs" if batched else "rng") in _parameters(transform)
        self._depth = _depth(dataset)
        self._pool = BufferPool()

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> DataItem:
        index = checked_index(index, len(self))
        item = self._dataset[index]
        if not self._batched:
            return self._one(item, index)
        batch = self._many(stack_items([item], [index], self._pool), [index])
        return DataItem(*(as_array(part)[0, ...] for part in raw_parts(batch)))

    @property
    def __getitems__(self) -> BatchGetter:
        """The batch path; it exists where the data set below has one."""
        below = batch_getter(self._dataset)
        if below is None and not self._batched:
            raise AttributeError(f"{type(self._dataset).__name__} has no __getitems__")
        return self._batch

    def _batch(self, indices: Indices) -> DataItem:
        numbers = checked_indices(indices, len(self))
        wanted = numbers.tolist()
        batch = batch_of(self._dataset, numbers, self._pool)
        if self._batched:
            return self._many(batch, wanted)
        inputs, targets = (as_array(part) for part in raw_parts(batch))

        def transformed(k: int) -> DataItem:
            return self._one(DataItem(inputs[k, ...], targets[k, ...]), wanted[k])

        return stack_items(each_of_batch(len(wanted), transformed), wanted, self._pool)

    def _one(self, item: DataItem, index: int) -> DataItem:
        given = {"rng": sample_generator(index, self._depth)} if self._random else {}
        return _checked(self._transform(item, **given))  # type: ignore[arg-type]

    def _many(self, batch: DataItem, indices: list[int]) -> DataItem:
        given = {}
        if self._random:
            given["rngs"] = sample_generators(indices, self._depth)
        return _checked(self._transform(batch, **given))  # type: ignore[arg-type]


def batch_of(dataset: Dataset, indices: Indices, pool: BufferPool) -> DataItem:
    """A batch of a data set, asked for at once where it can be."""
    getter = batch_getter(dataset)
    if getter is not None:
        source = f"__getitems__ of {type(dataset).__name__}"
        return checked_batch(getter(indices), source, len(indices))
    wanted = [int(index) for index in indices]
    items = each_of_batch(len(wanted), lambda position: dataset[wanted[position]])
    return stack_items(items, wanted, pool)


def _checked(item: DataItem) -> DataItem:
    if not isinstance(item, DataItem):
        raise DatasetError(
            f"the transform of a MapDataset gave a {type(item).__name__}; it must give a DataItem"
        )
    return item


def _parameters(transform: Transform) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(transform).parameters)
    except (TypeError, ValueError):  # a function of an extension module
        return frozenset()


def _depth(dataset: object) -> int:
    """How many data sets with random transforms stand below."""
    if isinstance(dataset, MapDataset):
        return dataset._depth + dataset._random
    return max((_depth(part) for part in getattr(dataset, "parts", ())), default=0)
