"""Short messages beside the calls: who has left, who is asked for, who answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

_TAG = 2


@dataclass(frozen=True)
class Note:
    """What a rank says of itself.

    Attributes:
        kind: It asks for an answer, answers, has come to its end, or fails and ends all.
        rank: Who says it.
        calls: The calls that it has made on each lane.
        where: Where its run is.
    """

    kind: Literal["ask", "here", "left", "failed"]
    rank: int
    calls: Sequence[int]
    where: str


class Notes:
    """The notes of a communicator, sent and received by one thread.

    Args:
        mpi: The module ``mpi4py.MPI``.
        comm: A communicator that carries nothing else.
    """

    def __init__(self, mpi: Any, comm: Any) -> None:
        self._mpi, self._comm = mpi, comm
        self._sent: list[tuple[Any, bytes]] = []

    def send(self, note: Note, to: int) -> None:
        """Send a note, and do not wait for it."""
        self._sent = [(request, text) for request, text in self._sent if not request.Test()]
        text = json.dumps(asdict(note)).encode()
        self._sent.append((self._comm.Isend([text, self._mpi.BYTE], to, _TAG), text))

    def received(self) -> list[Note]:
        """The notes that have come."""
        found = []
        status = self._mpi.Status()
        while self._comm.Iprobe(self._mpi.ANY_SOURCE, _TAG, status):
            text = bytearray(status.Get_count(self._mpi.BYTE))
            self._comm.Recv([text, self._mpi.BYTE], status.Get_source(), _TAG)
            found.append(Note(**json.loads(text)))
        return found

    def are_sent(self) -> bool:
        """Whether all that was sent is on its way."""
        return all(request.Test() for request, _ in self._sent)
