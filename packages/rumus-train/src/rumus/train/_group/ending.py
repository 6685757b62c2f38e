"""The end of a program of several ranks: all leave together, or one that fails ends all."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from types import TracebackType
from typing import Any

from .worker import Worker

_READ = 0.2
"""Seconds in which the others hear of it, and the launcher reads what was written, first."""

_APART = 0.5
"""Seconds by which a rank lets the one before it speak first."""

_MOST = 8
"""Ranks that are let to speak first."""


def end_together(worker: Worker, comm: Any) -> None:
    """Let this process wait for the others when its program ends, and end them if it raises.

    Args:
        worker: The group's.
        comm: The communicator whose processes are ended.
    """
    before = sys.excepthook

    def ended_by(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):  # a launcher takes death by a signal for a crash
            if comm.Get_rank() == 0:
                before(kind, error, trace)
            raise SystemExit(128 + signal.SIGINT)
        _let_others_speak(worker, comm)
        before(kind, error, trace)
        rank = f"rank {comm.Get_rank()} of {comm.Get_size()}"
        print(f"{rank}, at {worker.where}, ends all ranks.", file=sys.stderr)
        _abort(worker, comm)

    def leave() -> None:
        worker.leave()
        if worker.broken is not None:
            _let_others_speak(worker, comm)
            print(f"rank {comm.Get_rank()}: {worker.broken}", file=sys.stderr)
            _abort(worker, comm)

    _outlive_a_rank()
    sys.excepthook = ended_by
    atexit.register(leave)


def end_at_exit(comm: Any) -> None:
    """Let the end of this program end all, for MPI's own end would wait for ranks that are missing.

    Args:
        comm: The communicator whose processes are ended.
    """
    atexit.register(_end, comm)


def _outlive_a_rank() -> None:
    """Take no harm from the SIGUSR1 by which MPICH's mpiexec tells that another rank has died."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and "PMI_SIZE" in os.environ and sys.platform != "win32":
        if signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:
            signal.signal(signal.SIGUSR1, lambda number, frame: None)


def _let_others_speak(worker: Worker, comm: Any) -> None:
    """Wait, for several ranks may have the same to say: the first to say it ends the others."""
    time.sleep(_APART * (_MOST if worker.has_heard_of_failure else min(comm.Get_rank(), _MOST)))


def _abort(worker: Worker, comm: Any) -> None:
    worker.fails()
    _end(comm)


def _end(comm: Any) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(_READ)
    comm.Abort(1)
    os._exit(1)  # some abort by a message to the launcher, and return
