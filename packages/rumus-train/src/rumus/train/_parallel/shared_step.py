"""A step of several ranks: each computes its shards, and all have the same weights after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from rumus.autograd import GradientStore
from rumus.nn import Module
from rumus.optim import Optimizer
from rumus.tensor import ArgumentError, Tensor, default_generator

from .._group.contract import Array, Pending
from .batches import samples_in
from .mail import Mail
from .parcels import Part
from .rows import Letters, Row, Told, begin_numbers, written
from .shards import Shards
from .statistics import Statistics
from .streams import of_shard, own_generators
from .update import Update
from .vectors import Sending

Compute = Callable[[Any], tuple[Mapping[str, Tensor], Sequence[str]]]
"""What one part of a batch returns, and the optimizers whose gradients it has settled."""


class SharedStep:
    """The steps of a run or of a loop.

    Args:
        shards: Who computes what.
        optimizers: By name.
        modules: Of the model.

    Raises:
        ArgumentError: An optimizer cannot keep the state of a segment.
    """

    def __init__(
        self,
        shards: Shards,
        optimizers: Mapping[str, Any],
        modules: Iterable[Module],
    ) -> None:
        for optimizer in optimizers.values():
            if not isinstance(optimizer, Optimizer):
                raise ArgumentError(
                    f"{type(optimizer).__name__} cannot train over shards, of one process or "
                    "several: it needs the gradients of all in one place. Take another optimizer, "
                    "or one process without shards="
                )
        self.shards = shards
        self._updates = {
            name: Update(shards.group, shards.owned, optimizer)
            for name, optimizer in optimizers.items()
        }
        self._mail = Mail(shards.group)
        self._rows: list[Row] = []
        self._batches = 0
        self.follow(modules)

    def follow(self, modules: Iterable[Module]) -> None:
        """Look after the running averages and the random streams of some modules."""
        followed = list(modules)
        self._statistics = Statistics(followed, self.shards.group, self.shards.owned)
        self._streams = [default_generator, *(g for m in followed for g in own_generators(m))]

    def following(self, name: str) -> AbstractContextManager[None]:
        """Around a backward pass: what can be done with its gradients meanwhile."""
        return self._updates[name].following() if len(self._updates) == 1 else nullcontext()

    def settle(self, name: str, grads: GradientStore) -> None:
        """Bring a loss's gradients to their places: the part of a step that can be captured."""
        self._updates[name].settle(grads)

    def release(self) -> None:
        """The part has no further loss: what is captured leaves nothing behind."""
        for update in self._updates.values():
            update.release()

    def compute(self, parts: Sequence[Any], compute: Compute, step: int, is_last: bool) -> None:
        """Forward and backward of this rank's parts of a batch.

        Args:
            parts: In the order of the shards; None where there are no samples.
            compute: Called with each.
            step: The number of the step.
            is_last: Whether the step has no further batch.
        """
        try:
            for shard, part in zip(self.shards.own, parts, strict=True):
                if part is not None:
                    self._compute(shard, part, compute, step, is_last)
        except BaseException:
            self._clear()
            raise
        self._batches += 1

    def _compute(self, shard: int, part: Any, compute: Compute, step: int, is_last: bool) -> None:
        samples = samples_in(part)
        for update in self._updates.values():
            update.expect(Part(shard, samples, is_last))
        with of_shard(self._streams, shard, step, self._batches):
            self._statistics.begin()
            outputs, minimized = compute(part)
        scalars = {name: value for name, value in outputs.items() if value.shape == ()}
        self._rows.append(Row(self._batches, shard, samples, scalars, tuple(minimized)))
        self._statistics.add(shard, samples, is_last)
        for name in minimized:
            self._updates[name].add()

    def end(self) -> None:
        """There is no further step: let all weights be in their places.

        Raises:
            GroupError: They do not come.
        """
        for update in self._updates.values():
            update.end()

    def _clear(self) -> None:
        """Be where the step began: one that has failed has changed nothing."""
        self._rows, self._batches = [], 0
        self._statistics.clear()
        for update in self._updates.values():
            update.clear()

    def finish(self, clip: float | None = None, notes: Sequence[int] = ()) -> Told:
        """Exchange and update.

        Args:
            clip: The norm to clip the gradients of each optimizer to.
            notes: Numbers for the other ranks.

        Raises:
            GpuError: Whatever went wrong on the device.
            GroupError: The ranks have other batches, or one of them does not come.
        """
        self.shards.check()
        rows, self._rows = self._rows, []
        batches, self._batches = self._batches, 0
        first = next(iter(self._updates.values()))
        mine = begin_numbers(rows, first.vectors)
        now = [] if first.vectors.is_apart else mine.array.tolist()
        self._mail.send(json.dumps([written(rows, notes), now]))
        if len(self._updates) == 1:
            first.begin()
        told, numbers = zip(*map(json.loads, self._mail.receive()), strict=True)
        letters = Letters(told)
        # What lies on a device is told when it is there; nobody waits for it here.
        values = self._told(letters, mine) if first.vectors.is_apart else lambda: numbers
        weights = letters.weights()
        settled = mine.wait if self.shards.group.size > 1 else _nothing
        if not weights and len(self._updates) == 1:
            first.step(0, clip, settled)
        for name, samples in weights.items():
            self._updates[name].step(samples, clip, settled)
        settled()  # of a step without a loss, too
        found = letters.told(values, batches, self.shards.count)
        if any(found.samples):
            self._statistics.finish(sum(found.samples))
        return found

    def _told(self, letters: Letters, mine: Sending) -> Callable[[], Sequence[Array]]:
        """Tell the other ranks this one's scalars; gives those of all."""
        group = self.shards.group
        got: list[Array] = [np.empty(count, np.float32) for count in letters.counts()]
        got[group.rank] = mine.array
        if group.size == 1:
            pending: Pending = mine
        else:
            pending = group.allgatherv(mine.array, got, mine.ready or _at_once)

        def numbers() -> list[Array]:
            mine.wait()
            pending.wait()
            return got

        return numbers


def _nothing() -> None:
    pass


def _at_once() -> bool:
    return True
