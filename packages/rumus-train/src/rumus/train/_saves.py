"""When a run is saved, and what happens when that fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ._checkpoint.saver import Saver
from ._events import Event
from ._every import Timer
from ._keep import Keep
from ._run import Run
from ._state import run_state


class NoSaves:
    """A run without a folder."""

    def is_due(self, run: Run, epoch_ended: bool) -> bool:
        """Never."""
        return False

    def loaded(self, run: Run) -> None:
        """There is nothing to go on from."""

    def save(self, run: Run) -> None:
        """Nothing is saved."""

    def wait(self) -> None:
        """There is nothing to wait for."""


class Saves(NoSaves):
    """Saves a run into its folder.

    Args:
        root: The folder.
        keep: Which checkpoints stay.
        timer: When one is taken.
        on_error: Whether a failure is raised, or said.
    """

    def __init__(
        self, root: Path, keep: Keep, timer: Timer, on_error: Literal["raise", "warn"]
    ) -> None:
        self._saver = Saver(root, keep)
        self._timer, self._on_error = timer, on_error
        self._latest: object = None
        self._postponed = False

    def is_due(self, run: Run, epoch_ended: bool) -> bool:
        """Whether it is time, at an edge; behind an epoch's last step, that of the epoch's end."""
        due = self._timer.is_due(run.progress, epoch_ended) or self._postponed
        self._postponed = due and not epoch_ended and run.is_last_batch()
        return due and not self._postponed

    def save(self, run: Run) -> None:
        """Save where the run is, unless that is done; the writing goes on beside the run.

        Raises:
            OSError: The save before failed, and failures are raised.
        """
        if _place(run) == self._latest:
            return
        self.wait()
        run.emit(Event.CHECKPOINT)
        numbers = {n: float(v) for n, v in run.metrics.items() if isinstance(v, (int, float))}
        self._latest = _place(run)
        self._guarded(lambda: self._saver.save(run_state(run), run.progress, numbers))

    def loaded(self, run: Run) -> None:
        """The run is where a checkpoint was taken."""
        self._latest = _place(run)

    def wait(self) -> None:
        """Wait until the latest save is on disk.

        Raises:
            OSError: It failed, and failures are raised.
        """
        self._guarded(self._saver.wait)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self._latest = None
            if self._on_error == "raise":
                raise
            warnings.warn(
                f"a checkpoint could not be written, and those from before stay: {error}",
                RuntimeWarning,
                stacklevel=5,
            )


def _place(run: Run) -> object:
    """What tells one checkpoint of a run from another."""
    return run.progress, run.open_edge is None
