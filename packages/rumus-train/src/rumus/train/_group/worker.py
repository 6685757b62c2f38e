"""The thread that does all of a group's communication, with a deadline on everything."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Literal

import numpy as np

from .._errors import GroupError
from .agree import ranks
from .contract import Array
from .notes import Note, Notes

Message = tuple[int, Array]
"""The other rank, and what goes to it or comes from it."""

_TAG = 1
_CHUNK = 2**30
"""Bytes of one message: older MPIs count with 31 bits."""

_ROLL_CALL = 2.0
"""Seconds in which a rank that is well answers."""

_LOOK = 0.05
"""Seconds between two looks at the notes."""

_EARLIER = 0
"""The bytes of what had come when it was asked for before; none has so few."""

_GRACE = 0.1
"""Seconds in which the last note of a process that is no more is found, if it has sent one."""


class Call:
    """A call on its way, which is a :class:`Pending`.

    Args:
        name: Of the method.
        number: How many calls were made before it.
        where: Where the run was when it was made.
        sends: What goes to other ranks.
        receives: What comes from them.
        finish: What is done when all has come.
    """

    name: str
    number: int
    where: str
    sends: Sequence[Message]
    receives: Sequence[Message]
    finish: Callable[[], object] | None

    def __init__(
        self,
        name: str,
        number: int,
        where: str,
        sends: Sequence[Message],
        receives: Sequence[Message],
        finish: Callable[[], object] | None = None,
    ) -> None:
        self.name, self.number, self.where = name, number, where
        self.sends, self.receives, self.finish = sends, receives, finish
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


class Worker:
    """Begins calls in the order in which they come, and finishes them in that order.

    Args:
        mpi: The module ``mpi4py.MPI``.
        comm: The communicator of the calls.
        notes: The notes between the same ranks.
        deadline: Seconds that a call may take when those before it are finished.
    """

    def __init__(self, mpi: Any, comm: Any, notes: Notes, deadline: float) -> None:
        self._mpi, self._comm, self._notes, self._deadline = mpi, comm, notes, deadline
        self._rank: int = comm.Get_rank()
        self._size: int = comm.Get_size()
        self._new: SimpleQueue[Call | None] = SimpleQueue()
        self._active: deque[Call] = deque()
        self._since = 0.0
        """When the oldest call became that."""
        self._looked = 0.0
        self._closing = False
        self._gone: dict[int, Note] = {}
        self._heard: dict[int, Note] = {}
        self._died: dict[int, float] = {}
        """The ranks whose process is no more, and since when."""
        self._fails = self._has_told = False
        self.made = 0
        self.where = "its start"
        self.broken: GroupError | None = None
        self._thread = threading.Thread(target=self._run, name="rumus group", daemon=True)
        self._thread.start()

    def call(
        self,
        name: str,
        sends: Sequence[Message],
        receives: Sequence[Message],
        finish: Callable[[], object] | None = None,
    ) -> Call:
        """Hand a call over. Messages of no bytes are left out, as they are on the other side."""
        call = Call(name, self.made, self.where, sends, receives, finish)
        self.made += 1
        self._new.put(call)
        if not self._thread.is_alive():
            call.settle(self.broken or GroupError("this rank has said that it is at its end"))
        return call

    def died(self, rank: int) -> None:
        """Say, from any thread, that a rank's process is no more."""
        self._died.setdefault(rank, time.monotonic())

    def fails(self) -> None:
        """Let the other ranks know, from any thread, that this one ends all."""
        self._fails = True

    @property
    def has_heard_of_failure(self) -> bool:
        """Whether another rank ends all, and says why."""
        return any(note.kind == "failed" for note in list(self._gone.values()))

    @property
    def is_leaving(self) -> bool:
        """Whether this rank has begun to leave, so that others may end."""
        return self._closing

    @property
    def was_stopped(self) -> bool:
        """Whether this process has not run for some time, so that it may have news to read."""
        return time.monotonic() - self._looked > _ROLL_CALL

    def expects_end_of(self, rank: int) -> bool:
        """Whether it is no news that a rank's process is no more."""
        return self._fails or self.has_heard_of_failure or rank in self._gone

    def leave(self) -> None:
        """Finish what was begun, and return when every rank leaves.

        A rank that cannot be waited for makes this group :attr:`broken`.
        """
        self._new.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._active or not self._closing:
                self._take()
                self._advance()
                self._look()
            self._bid_farewell()
        except GroupError as error:
            self._break(str(error))
        except BaseException as error:  # whoever waits must not wait for ever
            self._break(f"communication has failed: {type(error).__name__}: {error}")
        while not self._closing:
            self._take()

    def _take(self) -> None:
        """Begin the calls that have come; wait for one if there is nothing else to do."""
        try:
            while not self._closing:
                call = self._new.get(not self._active, _LOOK)
                if call is None:
                    self._closing = True
                elif self.broken is not None:
                    call.settle(self.broken)
                else:
                    self._begin(call)
        except Empty:
            pass

    def _begin(self, call: Call) -> None:
        if not self._active:
            self._since = time.monotonic()
        self._active.append(call)
        for receiving, messages in ((True, call.receives), (False, call.sends)):
            start = self._comm.Irecv if receiving else self._comm.Isend
            for peer, array in messages:
                for chunk in _chunks(array):
                    call.requests.append(start([chunk, self._mpi.BYTE], peer, _TAG))
                    call.peers.append(peer)
                    call.statuses.append(self._mpi.Status())
                    if receiving:
                        call.sizes.append(chunk.size)

    def _advance(self) -> None:
        """Finish the oldest call if it can be, or wait a little."""
        if not self._active:
            return
        call = self._active[0]
        if self._are_done(call):
            self._active.popleft()
            call.settle(None)
            self._since = time.monotonic()
            return
        waited = time.monotonic() - self._since
        if waited > self._deadline:
            self._call_the_roll(call, waited)
        else:
            time.sleep(_pause(waited))

    def _are_done(self, call: Call) -> bool:
        """Whether all has come and gone.

        Raises:
            GroupError: What has come is not what was sent for: it belongs to another call.
        """
        try:
            if not self._mpi.Request.Testall(call.requests, call.statuses):
                return False
            came = [status.Get_count(self._mpi.BYTE) for status in call.statuses]
            unlike = (k for k, size in enumerate(call.sizes) if came[k] not in (size, _EARLIER))
            wrong = next(unlike, None)
        except self._mpi.Exception:  # it is larger
            wrong = next((k for k, s in enumerate(call.statuses) if s.Get_error()), 0)
        if wrong is None:
            return True
        raise GroupError(
            f"rank {call.peers[wrong]} does something else than rank {self._rank} at {call.where} "
            f"({call.name}): the ranks have gone different ways through the program. All of them "
            "make the same calls of fit, train_step and evaluate, with as many steps"
        )

    def _look(self) -> None:
        """Read the notes, if some time has passed, and do what they ask for."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        if self._fails and not self._has_told:
            self._tell_all("failed")
        for note in self._notes.received():
            if note.kind == "ask":
                self._notes.send(Note("here", self._rank, self.made, self.where), note.rank)
            else:
                (self._heard if note.kind == "here" else self._gone)[note.rank] = note
        lost = self._lost(now)
        if lost is not None and self.broken is None:
            at = "is at its end" if self._closing else f"was at {self.where}"
            self._break(f"rank {lost} has died; rank {self._rank} {at}")
        if self._active and self._gone:
            self._fail_if_left(self._active[0])

    def _lost(self, now: float) -> int | None:
        """A rank that has died; who leaves expects others to end, once they have said so."""
        for rank, since in list(self._died.items()):
            if rank not in self._gone and now - since >= _GRACE * self._closing:
                return rank
        return None

    def _fail_if_left(self, call: Call) -> None:
        for rank in call.missing():
            note = self._gone.get(rank)
            if note is not None and note.calls <= call.number:
                how = "ended its program" if note.kind == "left" else "failed"
                self._break(
                    f"rank {rank} has {how} at {note.where}, and rank {self._rank} waits for it "
                    f"at {call.where} ({call.name})"
                )
                return

    def _call_the_roll(self, call: Call, waited: float) -> None:
        """Ask the missing ranks where they are, and give up if they do not come meanwhile."""
        heard = self._ask(call.missing())
        missing = call.missing()
        if not missing or self.broken is not None:  # the whole job may have been stopped
            return
        self._break(
            f"rank {self._rank} has waited {waited:.0f} s at {call.where} ({call.name}) for "
            f"{ranks(missing)}, and gives up. " + " ".join(_told(r, heard.get(r)) for r in missing)
        )

    def _ask(self, whom: Sequence[int]) -> dict[int, Note]:
        """The answers of ranks that are well."""
        self._heard.clear()
        for rank in whom:
            self._notes.send(Note("ask", self._rank, self.made, self.where), rank)
        end = time.monotonic() + _ROLL_CALL
        while time.monotonic() < end and not self._heard.keys() >= set(whom):
            time.sleep(_LOOK)
            self._look()
        return dict(self._heard)

    def _tell_all(self, kind: Literal["left", "failed"]) -> list[int]:
        """Send all others a note."""
        self._has_told = True
        others = [rank for rank in range(self._size) if rank != self._rank]
        for rank in others:
            self._notes.send(Note(kind, self._rank, self.made, self.where), rank)
        return others

    def _break(self, why: str) -> None:
        """Give up all calls, those to come too."""
        self.broken = GroupError(why)
        for call in self._active:
            call.settle(self.broken)
        self._active.clear()

    def _bid_farewell(self) -> None:
        """Say that this rank leaves, and wait until all do, as long as they answer."""
        if self.broken is not None:
            return
        others = self._tell_all("left")
        since = time.monotonic()
        while missing := [rank for rank in others if rank not in self._gone]:
            self._look()
            if self.broken is not None:
                return
            if time.monotonic() - since > self._deadline:
                heard = self._ask(missing)
                silent = [r for r in missing if r not in heard and r not in self._gone]
                if silent:
                    self._break(
                        f"rank {self._rank} is at its end, and {ranks(silent)} neither at its own "
                        "nor answering: stopped, dead, or cut off"
                    )
                    return
                since = time.monotonic()
            time.sleep(_LOOK / 10)
        while not self._notes.are_sent():
            time.sleep(_LOOK / 10)


def _chunks(array: Array) -> Iterator[Array]:
    """Its bytes, in messages that every MPI can count."""
    data = array.reshape(-1).view(np.uint8)
    for start in range(0, data.size, _CHUNK):
        yield data[start : start + _CHUNK]


def _pause(waited: float) -> float:
    """Seconds until the next look at a call: short at first, where most calls end."""
    if waited < 2e-4:
        return 0.0
    return 5e-5 if waited < 0.01 else 5e-4 if waited < 1.0 else 5e-3


def _told(rank: int, note: Note | None) -> str:
    if note is None:
        return f"Rank {rank} does not answer: it is stopped, dead, or cut off."
    return (
        f"Rank {rank} answers: it is at {note.where}, computes or waits for something else, and "
        f"has made {note.calls} calls."
    )
