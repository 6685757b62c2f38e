"""What the shards of a step returned: read once, told to all ranks, and averaged alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rumus.tensor import Tensor, float32, stack, tensor

from .tree import Node, folded


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
        outputs: Of each batch the means by name.
        weights: For each optimizer the samples whose loss it got.
        notes: The numbers that ranks have added, by rank.
    """

    samples: list[int]
    outputs: list[dict[str, Tensor]]
    weights: dict[str, int]
    notes: list[list[int]]


def written(rows: Sequence[Row], notes: Sequence[int]) -> list[Any]:
    """What the other ranks are told of a step, for JSON, but for the numbers on a device.

    Args:
        rows: Of this rank.
        notes: Numbers that go along.
    """
    mine = [(*row[:3], list(row.outputs), list(row.minimized)) for row in rows]
    return [mine, list(notes)]


def numbers_of(rows: Sequence[Row]) -> list[float]:
    """The scalars of the rows one after the other; waits for the device, once."""
    return _read([value for row in rows for value in row.outputs.values()])


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

    def told(self, numbers: Sequence[Sequence[float]], batches: int, shards: int) -> Told:
        """All that is known of the step.

        Args:
            numbers: The scalars of each rank's rows.
            batches: Of the step.
            shards: How many there are.
        """
        rows = []
        for (written, _), given in zip(self._letters, numbers, strict=True):
            left = iter(given)
            rows += [
                (batch, shard, samples, {name: next(left) for name in names})
                for batch, shard, samples, names, _ in written
            ]
        by_batch = [[row for row in rows if row[0] == k] for k in range(batches)]
        return Told(
            [sum(row[2] for row in found) for found in by_batch],
            [_means(found, shards) for found in by_batch],
            self.weights(),
            [notes for _, notes in self._letters],
        )


def _read(scalars: list[Tensor]) -> list[float]:
    """The scalars' values, with one transfer from a device."""
    if len({str(scalar.device) for scalar in scalars}) == 1 and len(scalars) > 1:
        values: list[float] = stack([s.to(float32) for s in scalars]).numpy().tolist()
        return values
    return [float(scalar.to(float32).item()) for scalar in scalars]


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
