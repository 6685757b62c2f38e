"""The thread that does all of a group's communication, with a deadline on everything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Literal

from .._errors import GroupError
from .agree import ranks
from .calls import Call, Message
from .contract import Ready
from .lanes import Lane, MismatchError
from .memory import SharedMemory
from .notes import Note, Notes

_TAGS = 1, 5
"""Of messages that are there when a call is made, and of others."""
_ROLL_CALL = 2.0
"""Seconds in which a rank that is well answers."""

_LOOK = 0.05
"""Seconds between two looks at the notes."""

_SELDOM = 1e-3
"""Seconds between two looks at what is not ready, of which somebody says when it is."""

_SHORT = 2e-4
"""Seconds in which most calls end that somebody waits for."""

_OFTEN, _RARELY = 5e-5, 5e-3
"""Seconds between two looks at what others send, at least and at most."""

_LOOKS = 64
"""So many while it takes twice as long: each takes Python from those who compute."""

_GRACE = 0.1
"""Seconds in which the last note of a process that is no more is found, if it has sent one."""


class Worker:
    """Begins calls in the order in which they come, and finishes them in that order.

    Those whose parts are not ready at once have an order of their own.

    Args:
        mpi: The module ``mpi4py.MPI``.
        comm: The communicator of the calls.
        notes: The notes between the same ranks.
        deadline: Seconds that a call may take when those before it are finished.
    """

    def __init__(self, mpi: Any, comm: Any, notes: Notes, deadline: float) -> None:
        self._mpi, self._comm, self._notes, self._deadline = mpi, comm, notes, deadline
        self._rank: int = comm.Get_rank()
        self._others = [rank for rank in range(comm.Get_size()) if rank != self._rank]
        self._new: SimpleQueue[Call | Literal["look", "leave"]] = SimpleQueue()
        self.memory = SharedMemory()
        self._lanes = [Lane(mpi, comm, tag, self.memory) for tag in _TAGS]
        self._looked = 0.0
        self._closing = False
        self._gone: dict[int, Note] = {}
        self._heard: dict[int, Note] = {}
        self._died: dict[int, float] = {}
        """The ranks whose process is no more, and since when."""
        self._fails = self._has_told = False
        self.made = [0 for _ in self._lanes]
        """Calls on each lane."""
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
        ready: Ready | None = None,
        lend: bool = False,
    ) -> Call:
        """Hand a call over. Messages of no bytes are left out, as they are on the other side."""
        lane = _lane(ready)
        wake = self.wake
        call = Call(name, self.made[lane], self.where, sends, receives, finish, ready, lend, wake)
        self.made[lane] += 1
        self._new.put(call)
        if not self._thread.is_alive():
            call.settle(self.broken or GroupError("this rank has said that it is at its end"))
        return call

    def wake(self) -> None:
        """Look at once, said from any thread, whether there is something to do."""
        self._new.put("look")

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
        self._new.put("leave")
        self._thread.join()

    def _run(self) -> None:
        try:
            pause = _LOOK
            while self._is_busy() or not self._closing:
                self._take(pause)
                is_further = any([self._advance(lane) for lane in self._lanes])
                pause = 0.0 if is_further else self._pause()
                self._look()
            self._bid_farewell()
        except GroupError as error:
            self._break(str(error), error.__cause__)
        except BaseException as error:  # whoever waits must not wait for ever
            self._break(f"communication has failed: {type(error).__name__}: {error}")
        while not self._closing:
            self._take(_LOOK)

    def _take(self, pause: float) -> None:
        """Begin the calls that have come, or come in a while."""
        if self._closing or not pause:
            time.sleep(pause)
        try:
            while not self._closing:
                call = self._new.get(pause > 0, pause or None)
                pause = 0.0
                if call == "leave":
                    self._closing = True
                elif call == "look":
                    pass
                elif self.broken is not None:
                    call.settle(self.broken)
                else:
                    self._begin(call)
        except Empty:
            pass

    def _begin(self, call: Call) -> None:
        self._lanes[_lane(call.ready)].begin(call)

    def _is_busy(self) -> bool:
        return any(lane.active for lane in self._lanes)

    def _advance(self, lane: Lane) -> bool:
        """Send what can be, and finish the oldest call if it can be; whether it was."""
        if not lane.active:
            return False
        lane.send()
        self._receive(lane)
        call = lane.active[0]
        if lane.is_done():
            lane.active.popleft()
            call.settle(None)
            lane.since = time.monotonic()
            return True
        waited = time.monotonic() - lane.since
        if lane.is_sent and waited > self._deadline:
            self._call_the_roll(call, waited)
        return False

    def _pause(self) -> float:
        """Seconds until the next look, unless a call comes."""
        now = time.monotonic()
        busy = [lane for lane in self._lanes if lane.active]
        return min((_pause(lane, now) for lane in busy), default=_LOOK)

    def _receive(self, lane: Lane) -> None:
        """Take what has come.

        Raises:
            GroupError: It belongs to another call.
        """
        try:
            lane.receive()
        except MismatchError as wrong:
            call = wrong.call
            raise GroupError(
                f"rank {wrong.peer} does something else than rank {self._rank} at {call.where} "
                f"({call.name}): the ranks have gone different ways through the program. All of "
                "them make the same calls of fit, train_step and evaluate, with as many steps"
            ) from None

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
        for lane in self._lanes:
            if lane.active and self._gone:
                self._fail_if_left(lane.active[0])

    def _lost(self, now: float) -> int | None:
        """A rank that has died; who leaves expects others to end, once they have said so."""
        for rank, since in list(self._died.items()):
            if rank not in self._gone and now - since >= _GRACE * self._closing:
                return rank
        return None

    def _fail_if_left(self, call: Call) -> None:
        for rank in call.missing():
            note = self._gone.get(rank)
            if note is not None and note.calls[_lane(call.ready)] <= call.number:
                how = "ended its program" if note.kind == "left" else "failed"
                self._break(
                    f"rank {rank} has {how} at {note.where}, and rank {self._rank} waits for it "
                    f"at {call.where} ({call.name})"
                )
                return

    def _call_the_roll(self, call: Call, waited: float) -> None:
        """Ask where the ranks are, and give up if the missing ones do not come meanwhile.

        These may wait for others themselves, which are named, too: what was lent is given back
        when the part of every rank has come.
        """
        if not call.missing():
            return
        heard = self._ask(self._others)
        missing = call.missing()
        if not missing or self.broken is not None:  # the whole job may have been stopped
            return
        behind = [rank for rank in self._others if _is_behind(heard.get(rank), call)]
        named = sorted({*missing, *behind})
        self._break(
            f"rank {self._rank} has waited {waited:.0f} s at {call.where} ({call.name}) for "
            f"{ranks(missing)}, and gives up. " + " ".join(_told(r, heard.get(r)) for r in named)
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

    def _tell_all(self, kind: Literal["left", "failed"]) -> None:
        """Send all others a note."""
        self._has_told = True
        for rank in self._others:
            self._notes.send(Note(kind, self._rank, self.made, self.where), rank)

    def _break(self, why: str, cause: BaseException | None = None) -> None:
        """Give up all calls, those to come too."""
        self.broken = GroupError(why)
        self.broken.__cause__ = cause
        for lane in self._lanes:
            for call in lane.active:
                call.settle(self.broken)
            lane.active.clear()
            lane.unsent.clear()

    def _bid_farewell(self) -> None:
        """Say that this rank leaves, and wait until all do, as long as they answer."""
        if self.broken is not None:
            return
        self._tell_all("left")
        since = time.monotonic()
        while missing := [rank for rank in self._others if rank not in self._gone]:
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


def _lane(ready: Ready | None) -> int:
    """The number of the lane of a call: ranks do not make those of both in one order."""
    return int(ready is not None)


def _pause(lane: Lane, now: float) -> float:
    """Seconds until the next look at a lane: a part of those that it has been waited for."""
    if not lane.is_sent:
        return _SELDOM
    waited = now - lane.since
    if waited < _SHORT and lane.active[0].is_awaited:
        return 0.0
    return min(max(waited / _LOOKS, _OFTEN), _RARELY)


def _is_behind(note: Note | None, call: Call) -> bool:
    """Whether a rank that was asked has not made a call, or does not answer."""
    return note is None or note.calls[_lane(call.ready)] <= call.number


def _told(rank: int, note: Note | None) -> str:
    if note is None:
        return f"Rank {rank} does not answer: it is stopped, dead, or cut off."
    return (
        f"Rank {rank} answers: it is at {note.where}, computes or waits for something else, and "
        f"has made {sum(note.calls)} calls."
    )
