"""A time limit."""

from __future__ import annotations

from time import monotonic

from rumus.tensor import ArgumentError

from .._run import Run


class TimeLimit:
    """Stops a run after some time of this process, with a checkpoint: for clusters.

    Args:
        hours: Added to the others.
        minutes: Added to the others.
        seconds: Added to the others.

    Raises:
        ArgumentError: Together they are not above 0.

    Example:
        >>> TimeLimit(hours=3, minutes=50).seconds
        13800.0
    """

    seconds: float

    def __init__(self, hours: float = 0.0, minutes: float = 0.0, seconds: float = 0.0) -> None:
        for given in (hours, minutes, seconds):
            if not isinstance(given, (int, float)):
                raise ArgumentError(f"a time limit is of numbers, as in hours=1.5, not {given!r}")
        self.seconds = float(hours * 3600 + minutes * 60 + seconds)
        if not self.seconds > 0:
            raise ArgumentError(f"a time limit is above 0 seconds, not {self.seconds}")
        self._start = monotonic()

    def on_fit_start(self, run: Run) -> None:
        """The time begins."""
        self._start = monotonic()

    def on_step_end(self, run: Run) -> None:
        """Look at the clock."""
        if monotonic() - self._start >= self.seconds:
            run.stop(f"the time limit of {self.seconds:g} seconds was reached")
