"""A group of ranks that are threads of the test's process."""

import random
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest

from rumus.tensor import default_generator
from rumus.train import Group, GroupError

PATIENCE = 60.0
Body = Callable[[Group], Any]


class Board:
    """Where the ranks' calls meet; one rank computes at a time, with random streams of its own."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.turn = threading.Lock()
        self.lock = threading.Lock()
        self.meetings: list[Meeting] = []
        self.failed: str | None = None
        self.returned: set[int] = set()

    def meeting(self, number: int) -> "Meeting":
        """The call of that number."""
        with self.lock:
            while len(self.meetings) <= number:
                self.meetings.append(Meeting(self))
                if self.failed or self.returned:
                    self.meetings[-1].over.set()
            return self.meetings[number]

    def fail(self, why: str) -> None:
        """Let no rank wait any longer."""
        with self.lock:
            self.failed = self.failed or why
            for meeting in self.meetings:
                meeting.over.set()

    def leave(self, rank: int) -> None:
        """Let no rank wait for one that has returned."""
        with self.lock:
            self.returned.add(rank)
            for meeting in self.meetings:
                if rank not in meeting.calls:
                    meeting.over.set()


class Meeting:
    """One call, which happens when the last rank has made it."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.calls: dict[int, tuple[str, Any, Any]] = {}
        self.over = threading.Event()

    def join(self, rank: int, kind: str, out: Any, into: Any) -> None:
        """Make the call; the arrays that it fills hold nonsense until it is over."""
        self.calls[rank] = kind, out, into
        if len(self.calls) < self.board.size:
            return
        kinds = {kind for kind, _, _ in self.calls.values()}
        if len(kinds) > 1:
            self.board.fail(f"the ranks make different calls: {sorted(kinds)}")
            return
        getattr(self, kind.partition(" ")[0])()
        self.over.set()

    def alltoallv(self) -> None:
        for sender, (_, parts, _) in self.calls.items():
            for receiver, (_, _, into) in self.calls.items():
                np.copyto(into[sender], parts[receiver], casting="no")

    def allgatherv(self) -> None:
        for sender, (_, part, _) in self.calls.items():
            for _, _, into in self.calls.values():
                if into[sender] is not part:
                    np.copyto(into[sender], part, casting="no")

    def broadcast(self) -> None:
        root = int(self.calls[0][0].split()[1])
        for _, array, _ in self.calls.values():
            np.copyto(array, self.calls[root][1], casting="no")

    def max(self) -> None:
        top = np.maximum.reduce([values for _, values, _ in self.calls.values()])
        for _, values, _ in self.calls.values():
            np.copyto(values, top, casting="no")

    def barrier(self) -> None:
        pass


class Waiting:
    """A call that a rank has made."""

    def __init__(self, rank: "ThreadRank", number: int, lent: Sequence[Any] = ()) -> None:
        self.rank, self.number, self.thread = rank, number, threading.get_ident()
        self.lent, self.is_given_back = lent, threading.Event()
        if not any(part.size for r, part in enumerate(lent) if r != rank.rank):
            self.is_given_back.set()

    def parts(self) -> dict[int, Any]:
        self.come()
        found = {r: part.view() for r, part in enumerate(self.lent) if r != self.rank.rank}
        for part in found.values():
            part.flags.writeable = False
        return found

    def give_back(self) -> None:
        for r, part in enumerate(self.lent):
            if r != self.rank.rank:
                part.view(np.uint8)[...] = 0xCD
        self.is_given_back.set()

    def wait(self) -> None:
        self.come()
        if not self.is_given_back.wait(PATIENCE):
            self.rank.board.fail(f"call {self.number}: what was lent is not given back")

    def come(self) -> None:
        board, meeting = self.rank.board, self.rank.board.meeting(self.number)
        if not meeting.over.is_set():
            has_turn = threading.get_ident() == self.thread
            with self.rank.resting() if has_turn else nullcontext():
                came = meeting.over.wait(PATIENCE)
            if not came:
                board.fail(f"call {self.number}, {self.rank.where}: not all ranks came")
        if len(meeting.calls) < board.size or board.failed:
            gone = f"ranks {sorted(board.returned)} have returned, and miss call {self.number}"
            raise GroupError(board.failed or gone)


class ThreadRank:
    """A rank that is a thread."""

    def __init__(self, board: Board, rank: int) -> None:
        self.board, self.rank, self.size, self.local_rank = board, rank, board.size, rank
        self.where = ""
        self.count = 0
        self.streams = streams()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Let others compute meanwhile."""
        self.streams = streams()
        self.board.turn.release()
        try:
            yield
        finally:
            self.board.turn.acquire()
            set_streams(self.streams)

    def alltoallv(
        self, parts: Sequence[Any], into: Sequence[Any], ready: Any = None, lend: bool = False
    ) -> Waiting:
        return self.call("alltoallv", list(parts), list(into), ready, lend)

    def allgatherv(
        self, part: Any, into: Sequence[Any], ready: Any = None, lend: bool = False
    ) -> Waiting:
        return self.call("allgatherv", part, list(into), ready, lend)

    def broadcast(self, array: Any, root: int = 0) -> Waiting:
        return self.call(f"broadcast {root}", array, None)

    def max(self, values: Any) -> Waiting:
        return self.call("max", values, None)

    def barrier(self) -> Waiting:
        return self.call("barrier", None, None)

    def empty(self, nbytes: int) -> Any:
        return np.empty(nbytes, np.uint8)

    def wake(self) -> None:
        pass

    def at(self, where: str) -> None:
        self.where = where

    def call(
        self, kind: str, out: Any, into: Any, ready: Any = None, lend: bool = False
    ) -> Waiting:
        while ready is not None and not ready():
            time.sleep(1e-4)
        for target in into or ():
            if target is not out:
                target.view(np.uint8)[...] = 0xAB
        if lend:
            into = [a if r == self.rank else np.empty_like(a) for r, a in enumerate(into)]
        number = self.count
        self.count += 1
        if ready is not None:
            kind += " when it is ready"
        self.board.meeting(number).join(self.rank, kind, out, into)
        return Waiting(self, number, into if lend else ())


def streams() -> Any:
    """Where this process's random streams are, and where it prints."""
    printed = sys.stdout, sys.stderr
    return random.getstate(), np.random.get_state(), default_generator.state_dict(), printed


def set_streams(state: Any) -> None:
    """Let them go on where others were."""
    python, numpy, rumus, (sys.stdout, sys.stderr) = state
    random.setstate(python)
    np.random.set_state(numpy)
    default_generator.load_state_dict(rumus)


def run_ranks(size: int, body: Body) -> list[Any]:
    """Run ``body(group)`` on so many ranks, and return what it returned on each.

    The first error is raised here, and ends the others with a GroupError.
    """
    board, before = Board(size), streams()
    results: list[Any] = [None] * size
    errors: list[BaseException] = []

    def rank(number: int) -> None:
        own = ThreadRank(board, number)
        with board.turn:
            set_streams(before)
            try:
                results[number] = body(own)
            except BaseException as error:
                errors.append(error)
                board.fail(f"rank {number} raised {type(error).__name__}: {error}")
            board.leave(number)

    threads = [threading.Thread(target=rank, args=(k,)) for k in range(1, size)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fit runs outside of the main thread")
        for thread in threads:
            thread.start()
        rank(0)
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return results


@pytest.fixture
def ranks() -> Callable[[int, Body], list[Any]]:
    """``ranks(n, body)`` runs ``body(group)`` on n ranks and returns their results by rank."""
    return run_ranks
