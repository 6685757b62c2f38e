"""When a run is saved, and what happens when that fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ._checkpoint.saver import Saver
from ._checkpoint.shared import SharedSaver
from ._events import Event
from ._every import Timer
from ._keep import Keep
from ._run import Run
from ._run_folder import RunFolder
from ._state import run_state
from ._warn import warn


class NoSaves:
    """A run without a folder."""

    def is_due(self, run: Run, epoch_ended: bool) -> bool:
        """Never."""
        return False

    def told(self, run: Run) -> str:
        """Where the run ends, and how it goes on."""
        return (
            f"stopped at step {run.progress.step}; fit had no run=, so nothing was saved: with "
            'run=RunFolder("runs/name", resume=True) it would go on from here'
        )

    def loaded(self, run: Run) -> None:
        """There is nothing to go on from."""

    def save(self, run: Run) -> None:
        """Nothing is saved."""

    def wait(self) -> None:
        """There is nothing to wait for."""

    def abandon(self) -> None:
        """There is nothing to leave."""

    def is_writing(self) -> bool:
        """Whether files are not on disk yet, which others wait for."""
        return False

    def agreed(self, run: Run) -> None:
        """It is known at an edge whether any process still writes."""


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
        self._saver: Any = Saver(root, keep)
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

    def told(self, run: Run) -> str:
        """Where the run ends, and how it goes on."""
        where = f"stopped at step {run.progress.step}"
        if self._latest != _place(run):
            return f"{where}, which could not be saved; the checkpoint before stays"
        return f"{where}, which is saved: the same fit with resume=True goes on from here"

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
            warn(f"a checkpoint could not be written, and those from before stay: {error}")


class SharedSaves(Saves):
    """Saves a run of several processes, which all call the same at the same edges.

    Args:
        saver: Of this process.
        timer: As in :class:`Saves`, with a clock that all processes share.
        on_error: As there.
    """

    def __init__(
        self, saver: SharedSaver, timer: Timer, on_error: Literal["raise", "warn"]
    ) -> None:
        self._saver: Any = saver
        self._timer, self._on_error = timer, on_error
        self._latest, self._postponed = None, False

    def wait(self) -> None:
        """Wait until all processes' files are on disk.

        Raises:
            OSError: One failed, and failures are raised.
        """
        self._guarded(self._saver.finish)

    def save(self, run: Run) -> None:
        """As in :class:`Saves`; a process that is missing then is said to be so at a checkpoint."""
        assert run.shared is not None, "it has several processes"
        run.shared.shards.group.at(f"the checkpoint behind step {run.progress.step}")
        super().save(run)

    def abandon(self) -> None:
        """Wait for this process's files alone: the others may be gone."""
        self._saver.join()
        self._saver.is_open = False

    def is_writing(self) -> bool:
        """Whether this process writes."""
        return bool(self._saver.is_writing())

    def agreed(self, run: Run) -> None:
        """Once nobody writes any more, the checkpoint gets its name; at a later edge at least."""
        if not run.edge.is_writing and _place(run) != self._latest:
            self.wait()


def saves_of(run: Run, root: Path, folder: RunFolder) -> Saves:
    """The saves of a run into its folder."""
    timer = Timer(folder.every, run.edge.now)
    if run.shared is None or run.shared.shards.group.size == 1:
        return Saves(root, folder.keep, timer, folder.on_error)
    saver = SharedSaver(root, folder.keep, run.shared.shards.group)
    return SharedSaves(saver, timer, folder.on_error)


def _place(run: Run) -> object:
    """What tells one checkpoint of a run from another."""
    return run.progress, run.open_edge is None
