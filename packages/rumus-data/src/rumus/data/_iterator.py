"""One epoch of a loader."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from ._fetch import Fetched
from ._item import DataItem
from ._state import Position
from ._stats import LoaderStats

OnFailure = Callable[[int, Exception], None]


class Source(Protocol):
    """Where an epoch's batches come from."""

    def start(self) -> None:
        """Begin to make batches."""
        ...

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
    """Makes batches when one is taken, on the thread that takes it.

    Args:
        fetch: Makes the batches of several numbers, up to the first error.
        end: The number behind the last batch.
        group: How many batches are made at once.
    """

    def __init__(self, fetch: Callable[[range], list[Fetched]], end: int, group: int) -> None:
        self._fetch = fetch
        self._end = end
        self._group = group
        self._made: deque[Fetched] = deque()

    def start(self) -> None:
        """Nothing: a batch is made when it is taken."""

    def take(self, number: int) -> Fetched:
        """The batch of a number; numbers are taken in order."""
        if not self._made:
            self._made.extend(self._fetch(range(number, min(number + self._group, self._end))))
        return self._made.popleft()

    def waiting(self) -> int:
        """The number of finished batches that wait."""
        return len(self._made)

    def stop(self) -> None:
        """Forget what was made."""
        self._made.clear()


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
        source.start()

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
