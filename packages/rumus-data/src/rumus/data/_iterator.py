"""One epoch of a loader."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Generic, Protocol, Self

from ._errors import LoopInUseError
from ._fetch import Fetched, StopFlag
from ._generic import B
from ._group import next_group
from ._state import Position, Progress
from ._stats import LoaderStats

OnFailure = Callable[[int, Exception], None]


class Source(Protocol):
    """Where an epoch's batches come from."""

    def start(self) -> None:
        """Begin to make batches."""
        ...

    def take(self, number: int) -> Fetched | None:
        """The batch of a number; numbers are taken in order. None after :meth:`stop`."""
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
        fetch: Makes the batches of several numbers, up to the first error; it is told how many
            batches were taken.
        first: The number of the first batch.
        end: The number behind the last batch.
        group: How many batches are made at once.
        stop: Raised when nobody takes batches any more; ``fetch`` may look at it.
    """

    def __init__(
        self,
        fetch: Callable[[range, int], list[Fetched]],
        first: int,
        end: int,
        group: int,
        stop: StopFlag,
    ) -> None:
        self._fetch = fetch
        self._first = first
        self._end = end
        self._group = group
        self._stop = stop
        self._made: deque[Fetched] = deque()

    def start(self) -> None:
        """Nothing: a batch is made when it is taken."""

    def take(self, number: int) -> Fetched | None:
        """The batch of a number; numbers are taken in order. None after :meth:`stop`."""
        if not self._made and not self._stop.raised:
            numbers = next_group(self._first, number, self._end, self._group)
            made = self._fetch(numbers, number)
            error = made[-1].error
            if error is not None and not isinstance(error, Exception):
                raise error  # a signal handler's, which may have stopped this too
            self._made.extend(made)
        try:
            return None if self._stop.raised else self._made.popleft()
        except IndexError:  # stopped by another thread or a signal handler meanwhile
            return None

    def waiting(self) -> int:
        """The number of finished batches that wait."""
        return len(self._made)

    def stop(self) -> None:
        """Forget what was made, and make no more."""
        self._stop.raised = True
        self._made.clear()


class EpochIterator(Generic[B]):
    """What one epoch gives, in order.

    Several threads may share it: each batch goes to one of them.

    Args:
        source: Where they come from.
        end: The number behind the last batch.
        progress: How far the epoch has come; kept up to date.
        stats: What is measured; kept up to date.
        on_failure: Told about each sample that was left out, before its batch is delivered.
    """

    def __init__(
        self,
        source: Source,
        end: int,
        progress: Progress,
        stats: LoaderStats,
        on_failure: OnFailure | None,
    ) -> None:
        self._source = source
        self._end = end
        self._progress = progress
        self._stats = stats
        self._on_failure = on_failure
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._owner: int | None = None  # the thread that a batch is being made for
        self._finalizer = weakref.finalize(self, _leave, progress, source)
        self._finalizer.atexit = False  # the pipelines see to that themselves
        source.start()

    def __repr__(self) -> str:
        at = self._progress.position
        return f"<{type(self).__name__}: epoch {at.epoch}, batch {at.batch} of {self._end}>"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> B:
        if self._process != os.getpid():
            raise RuntimeError(
                "this loop began before a fork, and its threads are not in the new process; "
                "begin a new one there"
            )
        if self._owner == threading.get_ident():
            raise LoopInUseError(
                "this loop was asked for a batch by the thread that it is making one for, in a "
                "signal handler, a finalizer or on_error"
            )
        progress = self._progress
        before = behind = None
        try:
            with self._lock:
                try:
                    self._owner = threading.get_ident()
                    behind, item = self._next_item()
                    before = progress.position
                    progress.position = behind
                finally:
                    self._owner = None
            if item is not None:
                return item
        except BaseException:
            # The exception of a signal may come at any line: when the batch is counted and not yet
            # delivered, or in the block that ends the making.
            if self._owner == threading.get_ident():
                self._owner = None
            if before is not None and progress.position is behind:
                progress.position = before
            self.close()
            raise
        self.close()
        raise StopIteration

    def close(self) -> None:
        """End the epoch and its threads; further batches are not delivered.

        Any thread and any signal handler may call it; whoever waits for a batch then gets
        ``StopIteration``.
        """
        self._finalizer()

    def _next_item(self) -> tuple[Position, B | None]:
        """The position behind what comes next, and that; None at the end."""
        raise NotImplementedError

    def _take(self, number: int) -> Fetched | None:
        """What the source made under a number, its failures told; None if it was stopped."""
        started = perf_counter()
        depth = self._source.waiting()
        batch = self._source.take(number) if self._progress.running else None
        if batch is None:
            return None
        self._stats.add(batch, perf_counter() - started, depth)
        if batch.error is not None:
            raise batch.error
        if self._on_failure is not None:
            for index, error in batch.failures:
                self._on_failure(index, error)
        return batch


class LoaderIterator(EpochIterator[B]):
    """The batches of one epoch."""

    def _next_item(self) -> tuple[Position, B | None]:
        """The position behind the next batch, and the batch; None at the end."""
        progress = self._progress
        while (at := progress.position).batch < self._end:
            batch = self._take(at.batch)
            if batch is None:
                return at, None
            behind = at.behind(len(batch.failures))
            if batch.item is not None:
                return behind, batch.item
            progress.position = behind
        progress.ended = True
        return at, None


class ShardsIterator(EpochIterator[list[B | None]]):
    """The parts of one epoch's global batches that a rank owns, a list a global batch.

    Args:
        width: How many parts it owns of each.
        others: As in :class:`EpochIterator`.
    """

    def __init__(self, width: int, *others: Any) -> None:
        self._width = width
        super().__init__(*others)

    def _next_item(self) -> tuple[Position, list[B | None] | None]:
        """The position behind the next global batch, and its parts; None at the end."""
        at = self._progress.position
        if at.batch >= self._end:
            self._progress.ended = True
            return at, None
        parts: list[B | None] = []
        failures = 0
        for number in range(at.batch * self._width, (at.batch + 1) * self._width):
            part = self._take(number)
            if part is None:
                return at, None
            parts.append(part.item)
            failures += len(part.failures)
        return at.behind(failures), parts


def _leave(progress: Progress, source: Source) -> None:
    progress.running = False
    source.stop()
