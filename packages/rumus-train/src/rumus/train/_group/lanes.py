"""Lanes, on which the calls of a group keep their order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._errors import GroupError
from .calls import Call, Coming
from .contract import Array
from .memory import PLACE_BYTES, SharedMemory

_CHUNK = 2**30
"""Bytes of one message: older MPIs count with 31 bits."""


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
