"""The thread that talks to the GPU, one a device.

Python raises ``KeyboardInterrupt`` in the main thread, between any two steps of ours. So nobody
else changes the queue, the memory and the caches of a device: whoever computes appends to a log,
which happens or does not, and whoever waits for a result waits for a :class:`Job` that runs here,
where no interrupt comes.
"""

from __future__ import annotations

import threading
from _thread import LockType, allocate_lock
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Job(Generic[T]):
    """A call that the thread makes, and what came of it."""

    __slots__ = ("_args", "_call", "_doors", "_error", "_result", "is_over")
    is_over: bool

    def __init__(self, call: Callable[..., T], args: tuple[Any, ...]) -> None:
        self._call = call
        self._args = args
        # A lock for each who waits: one that was given up while it waited stands in nobody's way.
        self._doors: list[LockType] = []
        self.is_over = False
        """Whether the call is over, however it went."""
        self._error: BaseException | None = None
        self._result: T | None = None

    def run(self) -> None:
        """Make the call."""
        try:
            self._result = self._call(*self._args)
        except BaseException as error:
            self._error = error
        self._args = ()
        self.is_over = True
        while self._doors:
            self._doors.pop().release()

    def wait(self) -> None:
        """Return once the call is over, however it went."""
        if self.is_over:
            return
        door = allocate_lock()
        door.acquire()
        self._doors.append(door)
        if not self.is_over:
            door.acquire()

    def result(self) -> T:
        """What the call returned or raised, once it is over."""
        self.wait()
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # whose traceback holds this job
        return self._result  # type: ignore[return-value]


class Submitter:
    """A thread that runs jobs in order.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def post(self, call: Callable[..., T], *args: Any) -> Job[T]:
        """Have a call made after those posted before."""
        job = Job(call, args)
        if self._is_here():
            job.run()
        else:
            self._jobs.put(job)
        return job

    def call(self, call: Callable[..., T], *args: Any) -> T:
        """Have a call made, and wait for what it returns or raises."""
        return call(*args) if self._is_here() else self.post(call, *args).result()

    def end(self) -> None:
        """Run what was posted, and end the thread; later calls are made where they are posted."""
        self._jobs.put(None)
        self._thread.join()
        self._ended = True

    def _is_here(self) -> bool:
        return threading.get_ident() == self._thread.ident or self._ended

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            del job  # which holds what it made
