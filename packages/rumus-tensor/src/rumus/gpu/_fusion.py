"""Fusion: a launch of a recording and the elementwise launch behind it become one.

A launch goes into the one that reads its result if nobody else does: no other launch, and no tensor
that outlives the recording. The intermediate array is then never written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rumus.gpu._kernel import Chain, Pipeline
from rumus.gpu._memory import Buffer


@dataclass(slots=True)
class Launch:
    """One dispatch of a recording."""

    pipeline: Pipeline
    buffers: list[Buffer]
    params: bytes
    groups: tuple[int, int, int]
    chain: Chain | None


def fuse(
    launches: Sequence[Launch], free: Collection[Buffer], most_buffers: int, exactly: bool
) -> list[Launch]:
    """The launches with each producer moved into its only consumer.

    Args:
        launches: a recording's, in order; those with a ``chain`` can be fused.
        free: buffers that nothing outside of the launches looks at.
        most_buffers: storage buffers that one launch may bind.
        exactly: whether producers are only taken in where consumer or producer sees to it that no
            bit changes.
    """
    return _Fusion(launches, free, most_buffers, exactly).run()


class _Fusion:
    def __init__(
        self,
        launches: Sequence[Launch],
        free: Collection[Buffer],
        most_buffers: int,
        exactly: bool,
    ) -> None:
        self._launches: list[Launch | None] = list(launches)
        self._free = set(free)
        self._most_buffers = most_buffers
        self._exactly = exactly
        self._readers: dict[Buffer, list[int]] = defaultdict(list)
        self._writers: dict[Buffer, list[int]] = defaultdict(list)
        for position, launch in enumerate(launches):
            for buffer, access in zip(launch.buffers, launch.pipeline.accesses, strict=True):
                (self._readers if access == "read" else self._writers)[buffer].append(position)

    def run(self) -> list[Launch]:
        for position, launch in enumerate(self._launches):
            if launch is not None:
                self._fill(position, launch)
        return [launch for launch in self._launches if launch is not None]

    def _fill(self, position: int, consumer: Launch) -> None:
        """Take producers into one launch until none is left that fits."""
        while (found := self._producer_for(position, consumer)) is not None:
            at, producer, index, chain = found
            inputs = producer.buffers[:-1]
            for buffer in inputs:
                self._readers[buffer] = [position if r == at else r for r in self._readers[buffer]]
            consumer.buffers[:] = inputs + consumer.buffers[:index] + consumer.buffers[index + 1 :]
            consumer.chain = chain
            consumer.pipeline, consumer.params, consumer.groups = chain.prepare()
            self._launches[at] = None

    def _producer_for(
        self, position: int, consumer: Launch
    ) -> tuple[int, Launch, int, Chain] | None:
        if consumer.chain is None:
            return None
        for index, buffer in enumerate(consumer.buffers[:-1]):
            if buffer not in self._free or self._readers[buffer] != [position]:
                continue
            if len(self._writers[buffer]) != 1:
                continue
            at = self._writers[buffer][0]
            producer = self._launches[at]
            if producer is None or producer.chain is None:
                continue
            if self._exactly and not (consumer.chain.exact or producer.chain.sealed):
                continue
            if len(producer.buffers) + len(consumer.buffers) - 2 > self._most_buffers:
                continue
            if self._overwritten(producer.buffers[:-1], at, position):
                continue
            chain = producer.chain.then(consumer.chain, index)
            if chain is not None:
                return at, producer, index, chain
        return None

    def _overwritten(self, buffers: Sequence[Buffer], start: int, end: int) -> bool:
        """Whether a launch between two others writes one of the buffers."""
        return any(start < writer < end for b in buffers for writer in self._writers[b])
