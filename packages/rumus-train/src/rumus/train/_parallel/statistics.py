"""Running averages of normalisations: each shard moves those of the step's start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import add
from typing import Any

import numpy as np

from rumus.nn import Module
from rumus.tensor import Tensor, cat, float32, from_numpy, no_grad, zeros

from .._group.contract import Array, Group
from .sums import ShardSums
from .tree import Node, folded, subtrees


class Statistics:
    """The running averages of a model, which move once a step, by the mean of all shards.

    Args:
        modules: Of the model; batch and instance norms among them are followed.
        group: The ranks.
        owned: The shards of each rank.
    """

    def __init__(self, modules: Iterable[Module], group: Group, owned: Sequence[range]) -> None:
        norms: list[Any] = [m for m in modules if isinstance(_count(m), Tensor)]
        self._norms = norms
        self._averages: list[tuple[Any, str]] = [
            (norm, name) for norm in norms for name in ("running_mean", "running_var")
        ]
        self._group, self._owned, self._shards = group, owned, owned[-1].stop
        self._start: list[Tensor] = []
        self._sums: ShardSums[Tensor] = ShardSums(owned[group.rank], self._shards, add, self._zeros)

    def begin(self) -> None:
        """Before a forward pass: the averages are where the step found them."""
        if not self._start:
            self._start = [buffer * 1 for buffer in self._buffers()]
            return
        with no_grad():
            for buffer, value in zip(self._buffers(), self._start, strict=True):
                buffer.copy_(value)

    def add(self, shard: int, samples: int, is_last: bool) -> None:
        """After it: keep where they are, and which of them have moved."""
        if not self._norms:
            return
        count = len(self._averages)
        apart = [a - b for a, b in zip(self._buffers(), self._start, strict=True)]
        moved = [(part != 0).sum() for part in apart[:count]]
        values = [*self._buffers()[:count], *moved, *apart[count:]]
        flat = cat([value.to(float32).reshape(-1) for value in values])
        self._sums.add(shard, flat * float(samples), is_last)

    def finish(self, samples: int) -> None:
        """Move them, on all ranks."""
        if not self._norms:
            return
        self.begin()
        total = folded(self._gathered(), self._shards, np.add) * np.float32(1.0 / samples)
        moved, counted = np.split(total[-3 * len(self._norms) :] > 0, [len(self._averages)])
        at = 0
        with no_grad():
            for (norm, name), has_moved in zip(self._averages, moved, strict=True):
                buffer = getattr(norm, name)
                value = from_numpy(total[at : at + buffer.size].reshape(buffer.shape))
                at += buffer.size
                if has_moved:
                    buffer.copy_(value.to(buffer.device).to(buffer.dtype))
            for norm, has_counted in zip(self._norms, counted, strict=True):
                _count(norm).add_(int(has_counted))
        self._start = []

    def clear(self) -> None:
        """Forget what shards have moved since the last step."""
        if self._start:
            self.begin()
        self._start = []
        self._sums.clear()

    def _gathered(self) -> dict[Node, Array]:
        """The sums of all subtrees."""
        mine = np.concatenate([value.numpy() for value in self._sums.take().values()])
        nodes = [subtrees(own, self._shards) for own in self._owned]
        length = self._length()
        theirs = [np.empty(len(found) * length, np.float32) for found in nodes]
        self._group.allgatherv(mine, theirs).wait()
        gathered: dict[Node, Array] = {}
        for found, values in zip(nodes, theirs, strict=True):
            gathered |= zip(found, np.split(values, len(found)), strict=True)
        return gathered

    def _buffers(self) -> list[Tensor]:
        return [getattr(norm, name) for norm, name in self._averages] + [
            _count(norm) for norm in self._norms
        ]

    def _zeros(self) -> Tensor:
        return zeros((self._length(),), device=self._buffers()[0].device)

    def _length(self) -> int:
        """Numbers of a shard: the averages, which of them have moved, and which counts."""
        averages = self._buffers()[: len(self._averages)]
        return sum(buffer.size for buffer in averages) + 3 * len(self._norms)


def _count(module: Any) -> Any:
    return getattr(module, "num_batches_tracked", None)
