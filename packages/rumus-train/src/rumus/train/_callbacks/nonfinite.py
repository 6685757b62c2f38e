"""A loss that is not finite: the step, and the operation that it came from."""

from __future__ import annotations

import math
from typing import Any

from .._checkpoint.folder import state_of
from .._checkpoint.saver import host_copies
from .._checkpoint.split import split_state
from .._errors import NonFiniteError
from .._every import Every, Timer
from .._means import Sum, Totals
from .._rerun import find_anomaly
from .._run import Run
from .._state import run_state


class StopOnNonFinite:
    """Ends a run with an error when an output of a step is infinite or not a number.

    The sums that the run keeps anyway are looked at, so that nothing waits for the device between
    two looks; on the device they count the steps before the first value that is not finite, which
    the error names. Then the steps since the latest snapshot are run again, that one and the one
    before under :class:`rumus.autograd.detect_anomaly`, and the error names the operation and the
    line of your code too. What is not finite is not saved: the newest checkpoint is from before.

    Args:
        every: When to look (default: each 50 steps), besides at each epoch's end and before a
            checkpoint.
        rerun: Whether to run the steps again (not with shards). For this the state of the run is
            copied to host memory when it begins, when an epoch begins, and at each checkpoint.

    Raises:
        NonFiniteError: In a run, when it is so.

    Example:
        >>> callbacks = [StopOnNonFinite()]
    """

    def __init__(
        self,
        every: Every = Every(steps=50),  # noqa: B008  it is frozen
        rerun: bool = True,
    ) -> None:
        self._every, self._rerun = every, rerun
        self._timer = Timer(every)
        self._snapshot: tuple[Any, Any] | None = None

    def on_fit_start(self, run: Run) -> None:
        """Look from here on."""
        self._timer = Timer(self._every)
        self._note(run, run.read())
        self._keep(run)

    def on_epoch_start(self, run: Run) -> None:
        """The batches of an epoch are counted from 0."""
        self._batch = 0
        if run.progress.step:
            self._keep(run)

    def on_step_end(self, run: Run) -> None:
        """Look, if it is time."""
        if self._timer.is_due(run.progress):
            self._look(run)

    def on_epoch_end(self, run: Run) -> None:
        """Look at the rest of the epoch, whose means are read anyway."""
        self._look(run)

    def on_checkpoint(self, run: Run) -> None:
        """What is saved is finite."""
        self._look(run)
        if run.interrupts.pending is None:
            self._keep(run)

    def on_fit_end(self, run: Run) -> None:
        """Nothing is run again any more."""
        self._snapshot = None

    def on_exception(self, run: Run) -> None:
        """Nothing is run again any more."""
        self._snapshot = None

    def _note(self, run: Run, now: Totals) -> None:
        """All was finite up to here."""
        self._before, self._good = now, run.progress.step
        self._batch, self._window = run.progress.batch, run.window

    def _keep(self, run: Run) -> None:
        if self._rerun and run.shared is None:
            arrays, rest = split_state(run_state(run))
            self._snapshot = host_copies(arrays), rest

    def _look(self, run: Run) -> None:
        now = run.read()
        for name, value in now.since(self._before).items():
            if not math.isfinite(value):
                raise NonFiniteError(self._message(run, name, value, now.sums[name]))
        self._note(run, now)

    def _message(self, run: Run, name: str, value: float, now: Sum) -> str:
        step = self._step(run, name, now)
        if step is None:
            where, found = f"one of the steps {self._good + 1} to {run.progress.step}", ""
        else:
            where, found = f"step {step}", self._anomaly(run, step)
        advice = "lower the learning rate or clip the gradients"
        if not found:
            return f"{name} was {value} in {where}: {advice}"
        return f"{name} was {value} in {where}: {found}. If it is no mistake, {advice}"

    def _step(self, run: Run, name: str, now: Sum) -> int | None:
        """Which step it was, where each batch since the latest look has such an output."""
        before = self._before.sums.get(name, Sum())
        if now.values - before.values != run.progress.batch - self._batch:
            return None
        batches = self._window + now.first - before.values
        return self._good + batches // run.plan.accumulate + 1 if batches >= 0 else None

    def _anomaly(self, run: Run, step: int) -> str:
        if self._snapshot is None:
            return ""
        arrays, rest = self._snapshot
        self._snapshot = None
        return find_anomaly(run, state_of(arrays, rest), step)
