"""Submission of replays on a thread of its own.

Finishing and submitting a batch takes WebGPU as long as recording it takes us, and needs no Python.
So a replay hands its batch over, and the next one is recorded meanwhile. Whoever else touches the
queue waits first until everything handed over is submitted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

B = TypeVar("B")

MOST_WAITING = 2
"""Batches that may wait; whoever comes with one more waits as well."""


class Submitter(Generic[B]):
    """Calls a function with batches, in order, on its thread.

    Args:
        submit: called with each batch; what it raises is raised by the next call of a method.
    """

    def __init__(self, submit: Callable[[B], Any]) -> None:
        self._submit = submit
        self._waiting: deque[B] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def put(self, batch: B) -> None:
        """Hand a batch over."""
        with self._changed:
            self._wait_for(MOST_WAITING - 1)
            self._waiting.append(batch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rumus-submit", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until every batch is submitted."""
        if self._waiting or self._error is not None:
            with self._changed:
                self._wait_for(0)

    def _wait_for(self, most: int) -> None:
        while len(self._waiting) > most and self._error is None:
            self._changed.wait()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                batch = self._waiting[0]
            try:
                self._submit(batch)
            except BaseException as error:
                self._error = error
            del batch
            with self._changed:
                self._waiting.popleft()
                self._changed.notify_all()
