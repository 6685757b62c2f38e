"""What processes agree upon between two steps: signals, stops, the time, who still writes."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

import numpy as np

from .._group.contract import Group


class Edge:
    """What all ranks know alike at an edge; of one process alone, what that knows.

    Where callbacks may stop a run, on one rank alone too, it is exchanged at each edge;
    otherwise it travels with what ranks tell each other in a step (:meth:`notes`, :meth:`heard`).

    Args:
        group: The ranks; None for a process alone.

    Attributes:
        signal: The signal that ends the run, or 0.
        is_stopped: Whether a rank has stopped the run.
        is_writing: Whether a rank writes a checkpoint.
    """

    signal: int
    is_stopped: bool
    is_writing: bool

    def __init__(self, group: Group | None = None) -> None:
        self._group = group if group is not None and group.size > 1 else None
        self._start = monotonic()
        self._now = 0.0
        self.signal, self.is_stopped, self.is_writing = 0, False, False

    def now(self) -> float:
        """Seconds since the run began: those of rank 0 when the ranks agreed last."""
        return monotonic() - self._start if self._group is None else self._now

    def notes(self, signal: int | None, is_stopped: bool, is_writing: bool) -> list[int]:
        """What this rank knows."""
        is_first = self._group is None or self._group.rank == 0
        passed = int((monotonic() - self._start) * 1e6) if is_first else 0
        return [passed, signal or 0, int(is_stopped), int(is_writing)]

    def heard(self, notes: Sequence[Sequence[int]]) -> None:
        """Take in what all ranks know."""
        passed, self.signal, stopped, writing = (max(column) for column in zip(*notes, strict=True))
        self._now, self.is_stopped, self.is_writing = passed / 1e6, bool(stopped), bool(writing)

    def exchange(self, notes: Sequence[int]) -> None:
        """Tell the other ranks, and hear from them, now."""
        values = np.array(notes, np.int64)
        if self._group is not None:
            self._group.max(values).wait()
        self.heard([values.tolist()])
