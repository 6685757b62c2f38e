"""Submission of replays on a thread of its own.

Finishing and submitting a batch takes WebGPU as long as recording it takes us, and needs no Python.
So a replay hands its batch over, and the next one is recorded meanwhile. Whoever else touches the
queue waits first until everything handed over is submitted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

B = TypeVar("B")

MOST_WAITING = 2
"""Batches that may be handed over and not submitted; whoever comes with one more waits."""


class Submitter(Generic[B]):
    """Calls a function with batches, in order, on its thread. Used under the device's lock.

    Args:
        submit: called with each batch; what it raises is raised by the next call of a method.
    """

    def __init__(self, submit: Callable[[B], Any]) -> None:
        self._submit = submit
        self._batches: SimpleQueue[B] = SimpleQueue()
        # One token for each batch that may still be handed over.
        self._tokens: SimpleQueue[None] = SimpleQueue()
        for _ in range(MOST_WAITING):
            self._tokens.put(None)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def put(self, batch: B) -> None:
        """Hand a batch over."""
        self._raise()
        self._tokens.get()
        self._batches.put(batch)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="rumus-submit", daemon=True)
            self._thread.start()

    def drain(self) -> None:
        """Wait until every batch is submitted."""
        if self._tokens.qsize() < MOST_WAITING:
            for _ in range(MOST_WAITING):
                self._tokens.get()
            for _ in range(MOST_WAITING):
                self._tokens.put(None)
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        while True:
            batch = self._batches.get()
            try:
                self._submit(batch)
            except BaseException as error:
                self._error = error
            del batch
            self._tokens.put(None)
