"""One epoch of a loader."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from ._fetch import Fetched, StopFlag
from ._item import DataItem
from ._pipeline import Pipeline
from ._state import Position
from ._stats import LoaderStats

OnFailure = Callable[[int, Exception], None]


class Source(Protocol):
    """Where an epoch's batches come from."""

    def take(self, number: int) -> Fetched:
        """The batch of a number; numbers are taken in order."""
        ...

    def waiting(self) -> int:
        """The number of finished batches that wait."""
        ...

    def stop(self) -> None:
        """End everything that makes batches."""
        ...


class OwnThread:
    """Makes each batch when it is taken, on the thread that takes it.

    Args:
        fetch: Makes the batch of a number.
    """

    def __init__(self, fetch: Callable[[int], Fetched]) -> None:
        self.take = fetch

    def waiting(self) -> int:
        """Always 0."""
        return 0

    def stop(self) -> None:
        """Nothing runs."""


def open_source(
    fetch: Callable[[int], Fetched], first: int, end: int, workers: int, room: int, stop: StopFlag
) -> Source:
    """Where the batches from ``first`` up to ``end`` come from; see :class:`Pipeline`."""
    if not workers or first >= end:
        return OwnThread(fetch)
    return Pipeline(fetch, first, end, workers, room, stop)


class LoaderIterator:
    """The batches of one epoch, in order.

    Args:
        source: Where they come from.
        end: The number behind the last batch.
        position: How far the epoch has come; kept up to date.
        stats: What is measured; kept up to date.
        on_failure: Told about each sample that was left out, before its batch is delivered.
    """

    def __init__(
        self,
        source: Source,
        end: int,
        position: Position,
        stats: LoaderStats,
        on_failure: OnFailure | None,
    ) -> None:
        self._source = source
        self._end = end
        self._position = position
        self._stats = stats
        self._on_failure = on_failure
        self._process = os.getpid()
        self._finalizer = weakref.finalize(self, source.stop)
        self._finalizer.atexit = False  # the pipelines see to that themselves

    def __iter__(self) -> LoaderIterator:
        return self

    def __next__(self) -> DataItem:
        if self._process != os.getpid():
            raise RuntimeError(
                "this loop began before a fork, and its threads are not in the new process; "
                "begin a new one there"
            )
        try:
            item = self._next_item()
        except BaseException:
            self.close()
            raise
        if item is None:
            self.close()
            raise StopIteration
        return item

    def close(self) -> None:
        """End the epoch and its threads; further batches are not delivered."""
        self._end = 0
        self._finalizer()

    def _next_item(self) -> DataItem | None:
        position = self._position
        while position.batch < self._end:
            started = perf_counter()
            depth = self._source.waiting()
            batch = self._source.take(position.batch)
            self._stats.add(batch, perf_counter() - started, depth)
            if batch.error is not None:
                raise batch.error
            if self._on_failure is not None:
                for index, error in batch.failures:
                    self._on_failure(index, error)
            position.batch += 1
            position.skipped += len(batch.failures)
            if batch.item is not None:
                return batch.item
        return None
