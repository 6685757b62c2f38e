"""What the shards of a step returned: read once, told to all ranks, and averaged alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from rumus.tensor import Tensor, float32, stack, tensor

from .._group.contract import Array
from .host_vectors import Here
from .tree import Node, folded
from .vectors import Sending, Vectors


class Row(NamedTuple):
    """What one batch of one shard returned.

    Attributes:
        batch: Its number in the step.
        shard: The shard.
        samples: Its samples.
        outputs: The scalars by name.
        minimized: The optimizers that got a loss.
    """

    batch: int
    shard: int
    samples: int
    outputs: Mapping[str, Tensor]
    minimized: tuple[str, ...]


class Told(NamedTuple):
    """What all ranks know of a step.

    Attributes:
        samples: Of each batch.
        outputs: Gives the means by name of each batch; the first call waits for them.
        weights: For each optimizer the samples whose loss it got.
        notes: The numbers that ranks have added, by rank.
    """

    samples: list[int]
    outputs: Callable[[], list[dict[str, Tensor]]]
    weights: dict[str, int]
    notes: list[list[int]]


def written(rows: Sequence[Row], notes: Sequence[int]) -> list[Any]:
    """What the other ranks are told of a step, for JSON, but for the scalars' values.

    Args:
        rows: Of this rank.
        notes: Numbers that go along.
    """
    mine = [(*row[:3], list(row.outputs), list(row.minimized)) for row in rows]
    return [mine, list(notes)]


def begin_numbers(rows: Sequence[Row], vectors: Vectors) -> Sending:
    """The scalars of the rows one after the other, on their way to the host."""
    scalars = [value.to(float32) for row in rows for value in row.outputs.values()]
    if not scalars or any(scalar.device.kind == "cpu" for scalar in scalars):
        return Here(np.array([scalar.item() for scalar in scalars], np.float32))
    flat = stack(scalars)
    return vectors.begin_read([(flat, 0, flat.size)], np.empty(flat.size, np.float32))


class Letters:
    """What all ranks have written of a step.

    Args:
        letters: Of all ranks, by rank.
    """

    def __init__(self, letters: Sequence[Any]) -> None:
        self._letters = letters

    def weights(self) -> dict[str, int]:
        """For each optimizer the samples whose loss it got."""
        found: Counter[str] = Counter()
        for rows, _ in self._letters:
            for _, _, samples, _, minimized in rows:
                found.update(dict.fromkeys(minimized, samples))
        return dict(sorted(found.items()))

    def counts(self) -> list[int]:
        """How many scalars each rank has."""
        return [sum(len(names) for _, _, _, names, _ in rows) for rows, _ in self._letters]

    def told(self, numbers: Callable[[], Sequence[Array]], batches: int, shards: int) -> Told:
        """All that is known of the step.

        Args:
            numbers: Gives the scalars of each rank's rows.
            batches: Of the step.
            shards: How many there are.
        """
        samples = [0] * batches
        for rows, _ in self._letters:
            for batch, _, count, _, _ in rows:
                samples[batch] += count
        outputs = cache(lambda: self._outputs(numbers(), batches, shards))
        return Told(samples, outputs, self.weights(), [notes for _, notes in self._letters])

    def _outputs(
        self, numbers: Sequence[Array], batches: int, shards: int
    ) -> list[dict[str, Tensor]]:
        rows = []
        for (written, _), given in zip(self._letters, numbers, strict=True):
            left = iter(given)
            rows += [
                (batch, shard, samples, {name: next(left) for name in names})
                for batch, shard, samples, names, _ in written
            ]
        return [_means([row for row in rows if row[0] == k], shards) for k in range(batches)]


def _means(rows: list[Any], shards: int) -> dict[str, Tensor]:
    """The means over the shards, weighted by samples, in the order of the tree."""
    names = dict.fromkeys(name for row in rows for name in row[3])
    means = {}
    with np.errstate(all="ignore"):
        for name in names:
            found = {Node(k, 0): np.float32(0) for k in range(shards)}
            samples = 0
            for _, shard, weight, outputs in rows:
                if name in outputs:
                    found[Node(shard, 0)] = np.float32(outputs[name]) * np.float32(weight)
                    samples += weight
            total = folded(found, shards, lambda a, b: np.float32(a + b))
            means[name] = tensor(np.float32(total * np.float32(1.0 / samples)))
    return means
