"""A data set whose samples are transformed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, Protocol

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
    described,
)
from ._generic import S
from ._sample_random import each_of_batch, sample_generator, sample_generators
from ._tree import checked_tree, columns_of_batch, row_of

_RESULT = "what the transform of a MapDataset gave"


class RandomTransform(Protocol):
    """A transform that asks for random numbers by naming a parameter ``rng``."""

    def __call__(self, item: Any, /, *, rng: np.random.Generator) -> Any:
        """The transformed sample."""
        ...


class RandomBatchTransform(Protocol):
    """A transform of whole batches that asks for random numbers by naming ``rngs``."""

    def __call__(self, batch: Any, /, *, rngs: list[np.random.Generator]) -> Any:
        """The transformed batch, given a generator for each of its samples."""
        ...


class MapDataset(Generic[S]):
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
        DatasetError: (from a sample) ``transform`` gave something else than a sample.

    Example:
        >>> def flip(item: DataItem, rng: np.random.Generator) -> DataItem:
        ...     x = item.input.numpy()
        ...     return DataItem(x[:, ::-1] if rng.random() < 0.5 else x, item.target)
        >>> flipped = MapDataset(ArrayDataset(np.zeros((5, 28, 28)), np.arange(5)), flip)
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        transform: Callable[[Any], S] | RandomTransform | RandomBatchTransform,
        batched: bool = False,
    ) -> None:
        if not callable(transform):
            raise ArgumentError(f"transform must be a function, not {transform!r}")
        self._dataset = checked_dataset("dataset", dataset)
        self._transform: Callable[..., Any] = transform
        self._batched = checked_flag("batched", batched)
        self._random = ("rngs" if batched else "rng") in _parameters(transform)
        self._depth = _depth(dataset)
        self._pool = BufferPool()

    def __repr__(self) -> str:
        name = getattr(self._transform, "__name__", None) or repr(self._transform)
        return f"MapDataset({described(self._dataset)}, {name})"

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> S:
        index = checked_index(index, len(self))
        item = self._dataset[index]
        if not self._batched:
            sample: S = self._one(item, index)
            return sample
        batch = self._many(stack_items([item], [index], self._pool), [index])
        sample = row_of(columns_of_batch(batch), 0)
        return sample

    @property
    def __getitems__(self) -> BatchGetter:
        """The batch path; it exists where the data set below has one."""
        below = batch_getter(self._dataset)
        if below is None and not self._batched:
            raise AttributeError(f"{type(self._dataset).__name__} has no __getitems__")
        return self._batch

    def _batch(self, indices: Indices) -> Any:
        numbers = checked_indices(indices, len(self))
        wanted = numbers.tolist()
        batch = batch_of(self._dataset, numbers, self._pool)
        if self._batched:
            return self._many(batch, wanted)
        columns = columns_of_batch(batch)

        def transformed(k: int) -> Any:
            return self._one(row_of(columns, k), wanted[k])

        return stack_items(each_of_batch(len(wanted), transformed), wanted, self._pool)

    def _one(self, item: Any, index: int) -> Any:
        given = {"rng": sample_generator(index, self._depth)} if self._random else {}
        return checked_tree(self._transform(item, **given), _RESULT)

    def _many(self, batch: Any, indices: list[int]) -> Any:
        given = {}
        if self._random:
            given["rngs"] = sample_generators(indices, self._depth)
        return checked_tree(self._transform(batch, **given), _RESULT)


def batch_of(dataset: Dataset[Any], indices: Indices, pool: BufferPool) -> Any:
    """A batch of a data set, asked for at once where it can be."""
    getter = batch_getter(dataset)
    if getter is not None:
        source = f"__getitems__ of {type(dataset).__name__}"
        return checked_batch(getter(indices), source, len(indices))
    wanted = [int(index) for index in indices]
    items = each_of_batch(len(wanted), lambda position: dataset[wanted[position]])
    return stack_items(items, wanted, pool)


def _parameters(transform: Callable[..., Any]) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(transform).parameters)
    except (TypeError, ValueError):  # a function of an extension module
        return frozenset()


def _depth(dataset: object) -> int:
    """How many data sets with random transforms stand below."""
    if isinstance(dataset, MapDataset):
        return dataset._depth + dataset._random
    return max((_depth(part) for part in getattr(dataset, "parts", ())), default=0)
