"""Calls of a group on their way, and the lanes on which they keep their order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .._errors import GroupError
from .contract import Array, Ready

Message = tuple[int, Array]
"""The other rank, and what goes to it or comes from it."""

_CHUNK = 2**30
"""Bytes of one message: older MPIs count with 31 bits."""


class Call:
    """A call on its way, which is a :class:`Pending`.

    Args:
        name: Of the method.
        number: How many calls were made before it.
        where: Where the run was when it was made.
        sends: What goes to other ranks.
        receives: What comes from them.
        finish: What is done when all has come.
        ready: Whether what is sent is there; asked until it is.
    """

    name: str
    number: int
    where: str
    sends: Sequence[Message]
    receives: Sequence[Message]
    finish: Callable[[], object] | None
    ready: Ready | None

    def __init__(
        self,
        name: str,
        number: int,
        where: str,
        sends: Sequence[Message],
        receives: Sequence[Message],
        finish: Callable[[], object] | None = None,
        ready: Ready | None = None,
    ) -> None:
        self.name, self.number, self.where = name, number, where
        self.sends, self.receives, self.finish, self.ready = sends, receives, finish, ready
        self.requests: list[Any] = []
        self.peers: list[int] = []
        self.sizes: list[int] = []
        """Bytes that come by each of the first requests, which receive."""
        self.statuses: list[Any] = []
        self._error: GroupError | None = None
        self._done = threading.Event()

    def wait(self) -> None:
        """Return when it is finished.

        Raises:
            GroupError: It cannot be.
        """
        self._done.wait()
        if self._error is not None:
            raise self._error

    def settle(self, error: GroupError | None) -> None:
        """Let those go on who wait for it."""
        try:
            if error is None and self.finish is not None:
                self.finish()
        except Exception as why:
            error = GroupError(f"{self.name} at {self.where} cannot be finished: {why}")
        self._error = error
        self._done.set()

    def missing(self) -> list[int]:
        """The ranks whose part has not come, or who have not taken theirs."""
        found = zip(self.requests, self.peers, strict=True)
        return sorted({peer for request, peer in found if not request.Test()})


class Lane:
    """Calls that are begun, sent and finished in the order in which they come.

    Args:
        mpi: The module ``mpi4py.MPI``.
        comm: The communicator.
        tag: Of their messages.

    Attributes:
        active: The calls that are not finished.
        unsent: Those of them that are not ready.
        since: When the oldest one became that, or was sent.
    """

    active: deque[Call]
    unsent: deque[Call]
    since: float

    def __init__(self, mpi: Any, comm: Any, tag: int) -> None:
        self._mpi, self._comm, self._tag = mpi, comm, tag
        self.active, self.unsent, self.since = deque(), deque(), 0.0

    def begin(self, call: Call) -> None:
        """Receive what comes by a call, and send what goes as soon as it may."""
        if not self.active:
            self.since = time.monotonic()
        self.active.append(call)
        self.unsent.append(call)
        self._post(call, self._comm.Irecv, call.receives)
        call.sizes = [chunk.size for _, array in call.receives for chunk in _chunks(array)]
        self.send()

    def send(self) -> None:
        """Send what has become ready."""
        while self.unsent and (self.unsent[0].ready is None or self.unsent[0].ready()):
            call = self.unsent.popleft()
            self._post(call, self._comm.Isend, call.sends)
            if call is self.active[0]:
                self.since = time.monotonic()

    @property
    def is_sent(self) -> bool:
        """Whether the oldest call is, so that others are waited for."""
        return not self.unsent or self.unsent[0] is not self.active[0]

    def _post(self, call: Call, start: Callable[..., Any], messages: Sequence[Message]) -> None:
        for peer, array in messages:
            for chunk in _chunks(array):
                call.requests.append(start([chunk, self._mpi.BYTE], peer, self._tag))
                call.peers.append(peer)
                call.statuses.append(self._mpi.Status())


def _chunks(array: Array) -> Iterator[Array]:
    """Its bytes, in messages that every MPI can count."""
    data = array.reshape(-1).view(np.uint8)
    for start in range(0, data.size, _CHUNK):
        yield data[start : start + _CHUNK]
