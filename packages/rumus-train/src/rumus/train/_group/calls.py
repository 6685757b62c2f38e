"""Calls of a group on their way, and the lanes on which they keep their order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._errors import GroupError
from .contract import Array, Ready
from .memory import PLACE_BYTES, SharedMemory

Message = tuple[int, Array]
"""The other rank, and what goes to it or comes from it."""

_CHUNK = 2**30
"""Bytes of one message: older MPIs count with 31 bits."""


class Coming(NamedTuple):
    """A message that comes.

    Attributes:
        request: MPI's.
        peer: Who sends it.
        chunk: What it fills.
        is_whole: Whether that is all that comes from there by its call.
    """

    request: Any
    peer: int
    chunk: Array
    is_whole: bool


class Call:
    """A call on its way, which is a :class:`Delivery`.

    Args:
        name: Of the method.
        number: How many calls were made before it on its lane.
        where: Where the run was when it was made.
        sends: What goes to other ranks.
        receives: What comes from them.
        finish: What is done when all has come.
        ready: Whether what is sent is there; asked until it is.
        lends: Whether what other ranks of this host send need not be copied.
        wake: Has the worker look at it.
    """

    name: str
    number: int
    where: str
    sends: Sequence[Message]
    receives: Sequence[Message]
    finish: Callable[[], object] | None
    ready: Ready | None
    lends: bool
    lent: dict[int, Array]
    is_given_back: bool
    is_awaited: bool

    def __init__(
        self,
        name: str,
        number: int,
        where: str,
        sends: Sequence[Message],
        receives: Sequence[Message],
        finish: Callable[[], object] | None = None,
        ready: Ready | None = None,
        lends: bool = False,
        wake: Callable[[], object] = lambda: None,
    ) -> None:
        self.name, self.number, self.where = name, number, where
        self.sends, self.receives, self.finish, self.ready = sends, receives, finish, ready
        self.lends, self._wake = lends, wake
        self.lent = {}
        """Bytes in the memory of other ranks, who wait for the word that they have been read."""
        self.is_given_back = self.is_awaited = False
        self.coming: list[Coming] = []
        self.requests: list[Any] = []
        """Those that do not receive."""
        self.peers: list[int] = []
        """The other ranks of these."""
        self._error: GroupError | None = None
        self._come, self._done = threading.Event(), threading.Event()

    def wait(self) -> None:
        """Return when it is finished.

        Raises:
            GroupError: It cannot be.
        """
        self.is_awaited = True
        self._done.wait()
        if self._error is not None:
            raise self._error

    def parts(self) -> Mapping[int, Array]:
        """What has come from the other ranks.

        Raises:
            GroupError: It does not come.
        """
        self._come.wait()
        if self._error is not None:
            raise self._error
        found: dict[int, Array] = {}
        for peer, array in self.receives:
            lent = self.lent.get(peer)  # another thread may have given it back
            found[peer] = array if lent is None else lent.view(array.dtype).reshape(array.shape)
        return found

    def give_back(self) -> None:
        """Let the other ranks have their memory again."""
        self.is_given_back = True
        self._wake()

    @property
    def has_come(self) -> bool:
        """Whether :meth:`parts` waits no more."""
        return self._come.is_set()

    def come(self) -> None:
        """Let those go on who wait for what it brings."""
        self._come.set()

    def settle(self, error: GroupError | None) -> None:
        """Let those go on who wait for it."""
        try:
            if error is None and self.finish is not None:
                self.finish()
        except Exception as why:
            error = GroupError(f"{self.name} at {self.where} cannot be finished: {why}")
        self._error = error
        self._come.set()
        self._done.set()

    def is_ready(self) -> bool:
        """Whether what is sent is there.

        Raises:
            GroupError: It never will be.
        """
        try:
            return self.ready is None or self.ready()
        except Exception as why:
            raise GroupError(
                f"what goes to other ranks at {self.where} ({self.name}) cannot be sent: "
                f"{type(why).__name__}: {why}"
            ) from why

    def missing(self) -> list[int]:
        """The ranks whose part has not come, or who have not taken theirs."""
        coming = [(c.request, c.peer) for c in self.coming]
        found = [*coming, *zip(self.requests, self.peers, strict=True)]
        return sorted({peer for request, peer in found if not request.Get_status()})


class Lane:
    """Calls that are begun, sent and finished in the order in which they come.

    Args:
        mpi: The module ``mpi4py.MPI``.
        comm: The communicator.
        tag: Of their messages; the next one is that of the words that memory has been read.
        memory: That ranks of one host read.

    Attributes:
        active: The calls that are not finished.
        unsent: Those of them that are not ready.
        since: When the oldest one became that, or was sent.
    """

    active: deque[Call]
    unsent: deque[Call]
    since: float

    def __init__(self, mpi: Any, comm: Any, tag: int, memory: SharedMemory) -> None:
        self._mpi, self._comm, self._tag, self._memory = mpi, comm, tag, memory
        self.active, self.unsent, self.since = deque(), deque(), 0.0
        self._status = mpi.Status()

    def begin(self, call: Call) -> None:
        """Receive what comes by a call, and send what goes as soon as it may."""
        if not self.active:
            self.since = time.monotonic()
        self.active.append(call)
        self.unsent.append(call)
        for peer, array in call.receives:
            for chunk in _chunks(array):
                request = self._comm.Irecv([chunk, self._mpi.BYTE], peer, self._tag)
                is_whole = chunk.size == array.nbytes
                call.coming.append(Coming(request, peer, chunk, is_whole))
        self.send()

    def send(self) -> None:
        """Send what has become ready.

        Raises:
            GroupError: It never will be.
        """
        while self.unsent and self.unsent[0].is_ready():
            call = self.unsent.popleft()
            for peer, array in call.sends:
                for chunk in _chunks(array):
                    self._send(call, peer, chunk)
            if call is self.active[0]:
                self.since = time.monotonic()

    @property
    def is_sent(self) -> bool:
        """Whether the oldest call is, so that others are waited for."""
        return not self.unsent or self.unsent[0] is not self.active[0]

    def receive(self) -> None:
        """Take what has come, and say what is not used any more.

        Raises:
            MismatchError: What has come is not what was sent for: it belongs to another call.
            GroupError: A rank's memory cannot be read.
        """
        for call in self.active:
            if not call.has_come:
                call.coming = [c for c in call.coming if not self._has_come(call, c)]
                if call.coming:
                    return
                call.come()
            elif call.is_given_back:
                while call.lent:
                    self._acknowledge(call, call.lent.popitem()[0])

    def is_done(self) -> bool:
        """Whether all of the oldest call has come and gone."""
        call = self.active[0]
        if not (self.is_sent and call.has_come) or call.lent:
            return False
        return bool(self._mpi.Request.Testall(call.requests))

    def _has_come(self, call: Call, coming: Coming) -> bool:
        request, peer, chunk, is_whole = coming
        try:
            if not request.Test(self._status):
                return False
        except self._mpi.Exception as error:  # it is larger
            raise MismatchError(call, peer) from error
        came = self._status.Get_count(self._mpi.BYTE)
        if came == chunk.size:
            return True
        found = self._found(call, coming) if came == PLACE_BYTES else None
        if found is None or found.size != chunk.size:
            raise MismatchError(call, peer)
        if call.lends and is_whole:
            call.lent[peer] = found
        else:
            self._memory.copy(chunk, found)
            self._acknowledge(call, peer)
        return True

    def _found(self, call: Call, coming: Coming) -> Array:
        """Where a rank has said that its part lies.

        Raises:
            GroupError: Its memory cannot be read.
        """
        try:
            return self._memory.find(coming.peer, coming.chunk[:PLACE_BYTES].tobytes())
        except OSError as error:
            raise GroupError(
                f"rank {coming.peer} has died, or its memory can no longer be read, at "
                f"{call.where} ({call.name}): {error}"
            ) from error

    def _acknowledge(self, call: Call, peer: int) -> None:
        """Say that a rank's memory has been read."""
        self._post(call, peer, np.zeros(1, np.uint8), self._comm.Isend, self._tag + 1)

    def _send(self, call: Call, peer: int, chunk: Array) -> None:
        place = self._memory.place(peer, chunk)
        if place is None:
            self._post(call, peer, chunk, self._comm.Isend, self._tag)
            return
        self._post(call, peer, np.frombuffer(place, np.uint8), self._comm.Isend, self._tag)
        self._post(call, peer, np.empty(1, np.uint8), self._comm.Irecv, self._tag + 1)

    def _post(
        self, call: Call, peer: int, chunk: Array, start: Callable[..., Any], tag: int
    ) -> None:
        call.requests.append(start([chunk, self._mpi.BYTE], peer, tag))
        call.peers.append(peer)


class MismatchError(Exception):
    """What a rank has sent belongs to another call.

    Args:
        call: That it is not of.
        peer: The rank.
    """

    def __init__(self, call: Call, peer: int) -> None:
        super().__init__(peer)
        self.call, self.peer = call, peer


def _chunks(array: Array) -> Iterator[Array]:
    """Its bytes, in messages that every MPI can count."""
    data = array.reshape(-1).view(np.uint8)
    for start in range(0, data.size, _CHUNK):
        yield data[start : start + _CHUNK]
