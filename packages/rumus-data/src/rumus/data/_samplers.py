"""Which samples an epoch has, drawn with the loader's random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, Tensor

from ._arguments import checked_flag, checked_number

IndexArray = npt.NDArray[np.intp]
Row = Sequence[float] | npt.NDArray[Any] | Tensor


class WeightedSampler:
    """Samples that come as often as their weights say.

    For ``DataLoader(sampler=)``: the numbers are drawn anew in each epoch, from the loader's seed
    and the epoch alone, and a state in the middle of an epoch goes on exactly.

    Args:
        weights: One number from 0 for each sample; they need not add up to 1.
        samples: How many numbers an epoch has (default: as many as there are weights).
        replacement: Whether a sample may come again (default True). Without, each draw is among
            those that are left, in proportion to their weights (Efraimidis and Spirakis 2006).

    Attributes:
        population: The samples that there are to draw from, as many as the data set has.

    Raises:
        ArgumentError: A weight is negative or not finite, all are 0, or without replacement fewer
            samples have a weight than are to be drawn.

    Example:
        >>> data = ArrayDataset({"x": np.arange(4)})
        >>> loader = DataLoader(data, batch_size=8, sampler=WeightedSampler([0, 0, 1, 0], 8))
        >>> next(iter(loader))["x"].tolist()
        [2, 2, 2, 2, 2, 2, 2, 2]
    """

    population: int

    def __init__(self, weights: Row, samples: int | None = None, replacement: bool = True) -> None:
        row = _row("weights", weights).astype(np.float64)
        if not (np.isfinite(row).all() and (row >= 0).all() and row.any()):
            raise ArgumentError("weights are finite numbers from 0, of which one at least is not 0")
        self._weights = row / row.max()
        self.population = len(row)
        self._samples = len(row) if samples is None else checked_number("samples", samples, 0)
        self._replacement = checked_flag("replacement", replacement)
        most = int(np.count_nonzero(self._weights))
        if not self._replacement and self._samples > most:
            raise ArgumentError(
                f"{self._samples} samples cannot be drawn without replacement where {most} have a "
                "weight above 0"
            )

    def __repr__(self) -> str:
        drawn = "with" if self._replacement else "without"
        return f"WeightedSampler({len(self)} of {len(self._weights)} samples, {drawn} replacement)"

    def __len__(self) -> int:
        return self._samples

    def draw(self, rng: np.random.Generator) -> IndexArray:
        """The numbers of an epoch."""
        if self._replacement:
            ends = self._weights.cumsum()
            drawn = np.searchsorted(ends, rng.random(self._samples) * ends[-1], side="right")
            # a product may round up to the very end
            numbers: IndexArray = np.minimum(drawn, np.flatnonzero(self._weights)[-1])
            return numbers
        candidates = np.flatnonzero(self._weights)
        times = rng.exponential(size=len(candidates)) / self._weights[candidates]
        chosen: IndexArray = candidates[times.argsort(kind="stable")[: self._samples]]
        return chosen


class BalancedSampler:
    """Samples of which every class has as many, to one, whatever is in the data set.

    For ``DataLoader(sampler=)``. A class whose samples do not suffice gives all of them before one
    comes again; which ones, and their order, is drawn anew in each epoch.

    Args:
        labels: The class of each sample: integers or text.
        samples: How many numbers an epoch has (default: as many as there are labels).

    Attributes:
        population: The samples that there are to draw from, as many as the data set has.

    Raises:
        ArgumentError: There are no labels, or they are no row of integers or text.

    Example:
        >>> labels = np.array([0, 0, 0, 0, 0, 1])
        >>> data = ArrayDataset({"label": labels})
        >>> batch = next(iter(DataLoader(data, batch_size=6, sampler=BalancedSampler(labels))))
        >>> sorted(batch["label"].tolist())
        [0, 0, 0, 1, 1, 1]
    """

    population: int

    def __init__(self, labels: Row | Sequence[str], samples: int | None = None) -> None:
        row = _row("labels", labels)
        if row.dtype.kind not in "iubUS" or not len(row):
            raise ArgumentError(f"labels are integers or text, one a sample, not {row.dtype}")
        self.population = len(row)
        _, classes = np.unique(row, return_inverse=True)
        by_class = classes.argsort(kind="stable")
        self._classes = np.split(by_class, np.cumsum(np.bincount(classes))[:-1])
        self._samples = len(row) if samples is None else checked_number("samples", samples, 0)

    def __repr__(self) -> str:
        return f"BalancedSampler({len(self)} samples of {len(self._classes)} classes)"

    def __len__(self) -> int:
        return self._samples

    def draw(self, rng: np.random.Generator) -> IndexArray:
        """The numbers of an epoch."""
        count = len(self._classes)
        each = np.full(count, self._samples // count)
        each[rng.permutation(count)[: self._samples % count]] += 1
        drawn = [_rounds(rng, own, n) for own, n in zip(self._classes, each.tolist(), strict=True)]
        return rng.permutation(np.concatenate(drawn))


class LengthBatches:
    """Batches of samples of about one length, so that little is padded.

    For ``DataLoader(batch_sampler=)``, with ``collate=pad_collate()``. The samples are shuffled and
    cut into pools of ``pool`` batches; each pool is sorted by length and cut into batches, and the
    batches come in random order. A larger pool pads less, and mixes less.

    Args:
        lengths: The length of each sample.
        batch_size: Samples in a batch.
        pool: Batches of a pool (default 100).
        drop_last: Whether a batch that is not full is left out (default False).

    Attributes:
        population: The samples that there are to draw from, as many as the data set has.

    Raises:
        ArgumentError: An argument is outside its range.

    Example:
        >>> batches = LengthBatches([3, 9, 2, 8], batch_size=2)
        >>> sorted(sorted(batch.tolist()) for batch in batches.draw(np.random.default_rng(0)))
        [[0, 2], [1, 3]]
    """

    batch_size: int
    population: int

    def __init__(
        self, lengths: Row, batch_size: int, pool: int = 100, drop_last: bool = False
    ) -> None:
        self._lengths = _row("lengths", lengths)
        if self._lengths.dtype.kind not in "iuf":
            raise ArgumentError(f"lengths are numbers, not {self._lengths.dtype}")
        self.population = len(self._lengths)
        self.batch_size = checked_number("batch_size", batch_size, 1)
        self._pool = checked_number("pool", pool, 1)
        self._drop_last = checked_flag("drop_last", drop_last)

    def __repr__(self) -> str:
        return f"LengthBatches({len(self)} batches of {self.batch_size})"

    def __len__(self) -> int:
        full, rest = divmod(len(self._lengths), self.batch_size)
        return full + (rest > 0 and not self._drop_last)

    def draw(self, rng: np.random.Generator) -> list[IndexArray]:
        """The batches of an epoch."""
        order = rng.permutation(len(self._lengths))
        if self._drop_last:
            order = order[: len(self) * self.batch_size]
        size = self._pool * self.batch_size
        batches: list[IndexArray] = []
        for start in range(0, len(order), size):
            pool = order[start : start + size]
            by_length = pool[self._lengths[pool].argsort(kind="stable")]
            ends = range(self.batch_size, len(pool), self.batch_size)
            batches.extend(np.split(by_length, ends))
        return [batches[k] for k in rng.permutation(len(batches))]


def _rounds(rng: np.random.Generator, numbers: IndexArray, count: int) -> IndexArray:
    """So many of some numbers: all in random order, again and again."""
    rounds = [rng.permutation(numbers) for _ in range(-(-count // len(numbers)))]
    return np.concatenate([numbers[:0], *rounds])[:count]


def _row(name: str, values: Any) -> npt.NDArray[Any]:
    row = values.numpy() if isinstance(values, Tensor) else np.asarray(values)
    if row.ndim != 1 or row.dtype.hasobject:
        raise ArgumentError(f"{name} are a row of one value a sample, not of shape {row.shape}")
    return row
