"""Threads that make batches ahead of the loop, delivered in order."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic

from ._fetch import Fetched, StopFlag
from ._group import next_group
from ._open_batch import Part

_PATIENCE = 1.0  # seconds that leaving a loop waits for its threads at most
_WAKE_UP = 0.5  # seconds; lets Ctrl-C through on systems where waiting cannot be interrupted

_running: weakref.WeakSet[Pipeline] = weakref.WeakSet()


class Pipeline:
    """Worker threads that fetch numbered batches, and a bounded place where finished ones wait.

    A batch is begun only when fewer than ``room`` batches are begun and not yet taken, so that no
    more than that many exist besides the consumer's.

    Args:
        parts: Gives the parts in which the batches of several numbers are made, told how many were
            taken; the part that ends last gives the batches, up to the first error. Never raises,
            nor does a part.
        first: The number of the first batch.
        end: The number behind the last batch.
        workers: The number of threads.
        room: The most batches that are begun or finished and not yet taken.
        group: How many batches a thread makes at once; at most ``room``.
        stop: Raised when nobody takes batches any more; a part may look at it.
    """

    def __init__(
        self,
        parts: Callable[[range, int], list[Part[list[Fetched]]]],
        first: int,
        end: int,
        workers: int,
        room: int,
        group: int,
        stop: StopFlag,
    ) -> None:
        self._parts = parts
        self._stop = stop
        self._first = self._begun = self._taken = first
        self._end = end
        self._room = room
        self._group = group
        self._finished: dict[int, Fetched] = {}
        self._open: deque[tuple[range, Part[list[Fetched]]]] = deque()  # what nobody has begun yet
        # Reentrant: a finalizer or a signal handler may stop the pipeline within its own methods.
        # The loop's thread takes the lock itself, since a signal that arrives in the Python code
        # of a Condition can leave it held for ever.
        self._lock = threading.RLock()
        self._has_room = threading.Condition(self._lock)
        self._bell = threading.Lock()  # held until what the loop waits for is there
        self._bell.acquire()
        self._threads: list[threading.Thread] = []
        self._workers = min(workers, end - first)
        self._process = os.getpid()

    def start(self) -> None:
        """Begin; whoever calls this sees to it that :meth:`stop` is called whatever happens."""
        _running.add(self)
        for k in range(self._workers):
            thread = threading.Thread(target=self._work, name=f"rumus-data-{k}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def take(self, number: int) -> Fetched | None:
        """The batch of a number, waiting until it is there; numbers are taken in order.

        Returns:
            None if the pipeline was stopped.
        """
        while not self._stop.raised:
            with self._lock:
                result = self._finished.pop(number, None)
                if result is not None:
                    self._taken = number + 1
                    if self._next() and self._begun - self._taken <= self._room // 2:
                        self._has_room.notify()
                    return result
            self._bell.acquire(timeout=_WAKE_UP)
        return None

    def waiting(self) -> int:
        """The number of finished batches that wait."""
        return len(self._finished)

    def stop(self) -> None:
        """End the threads: at once if they wait, else after the sample they are at."""
        self.halt()
        self.join(monotonic() + _PATIENCE)

    def halt(self) -> None:
        """Tell the threads, and whoever waits for a batch, that it is over."""
        if self._process != os.getpid():  # a fork: no threads, and locks that nobody releases
            return
        self._stop.raised = True
        with self._lock:
            self._finished.clear()
            self._open.clear()
            self._has_room.notify_all()
            self._ring()

    def join(self, deadline: float) -> None:
        """Wait for the threads until a time of :func:`time.monotonic` at most."""
        if self._process != os.getpid():
            return
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(deadline - monotonic(), 0))

    def _work(self) -> None:
        while self._step():
            pass  # a thread that waits holds nothing of the batch that it was at

    def _step(self) -> bool:
        """Do a part of batches that were begun, or begin the next ones; False at the end."""
        with self._has_room:
            while not (self._open or self._next() or self._at_end()):
                self._has_room.wait()
            if self._stop.raised:
                return False
            if self._open:
                numbers, part = self._open.popleft()
            elif numbers := self._next():
                self._begun = numbers.stop
                part = partial(self._first_part, numbers)
            else:
                return False
        if results := part():
            self._finish(numbers, results)
        return True

    def _first_part(self, numbers: range) -> list[Fetched] | None:
        """Do the first part of batches, and leave the others to all threads."""
        first, *others = self._parts(numbers, self._taken)
        if others:
            with self._has_room:
                if not self._stop.raised:
                    self._open.extend((numbers, part) for part in others)
                    self._has_room.notify(len(others))
        return first()

    def _at_end(self) -> bool:
        """Whether no batches are left to begin."""
        return self._stop.raised or self._begun >= self._end

    def _next(self) -> range:
        """The next batches to make; none if there is no room for them, or at the end."""
        numbers = next_group(self._first, self._begun, self._end, self._group)
        return numbers if numbers.stop <= self._taken + self._room else range(0)

    def _finish(self, numbers: range, results: list[Fetched]) -> None:
        with self._lock:
            if self._stop.raised:
                return
            self._finished.update(zip(numbers, results, strict=False))
            if results[-1].error is not None:
                self._end = min(self._end, numbers[len(results) - 1] + 1)
                self._has_room.notify_all()
            if self._taken in numbers:
                self._ring()

    def _ring(self) -> None:
        """Wake up whoever waits for a batch; the lock is held."""
        if self._bell.locked():
            self._bell.release()


@atexit.register
def _stop_all() -> None:
    """End all threads before the interpreter goes away under them."""
    running = list(_running)
    for pipeline in running:
        pipeline.halt()
    deadline = monotonic() + _PATIENCE
    for pipeline in running:
        pipeline.join(deadline)
