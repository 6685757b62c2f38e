"""Callbacks that end a run: a time limit, a loss that is not finite."""

from __future__ import annotations

import math
from time import monotonic

from rumus.tensor import ArgumentError

from .._errors import NonFiniteError
from .._every import Every, Timer
from .._means import Totals
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

    def __init__(self, hours: float = 0.0, minutes: float = 0.0, seconds: float = 0.0) -> None:
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


class StopOnNonFinite:
    """Ends a run with an error when a mean of the outputs is infinite or not a number.

    The sums that the run keeps anyway are looked at, so that nothing waits for the device between
    two looks. The error names the steps between which it was.

    Args:
        every: When to look (default: each 50 steps; ``Every(steps=1)`` names the very step, and
            waits for the device in each).

    Raises:
        NonFiniteError: In a run, when it is so.

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=1, callbacks=[StopOnNonFinite()])
        >>> run.stopped is None
        True
    """

    def __init__(self, every: Every = Every(steps=50)) -> None:  # noqa: B008  it is frozen
        self._timer = Timer(every)
        self._before = Totals()
        self._good = 0

    def on_fit_start(self, run: Run) -> None:
        """Look from here on."""
        self._before, self._good = run.read(), run.progress.step

    def on_step_end(self, run: Run) -> None:
        """Look, if it is time."""
        if self._timer.is_due(run.progress):
            self._look(run)

    def on_epoch_end(self, run: Run) -> None:
        """Look at the rest of the epoch, whose means are read anyway."""
        self._look(run)

    def _look(self, run: Run) -> None:
        now = run.read()
        for name, value in now.since(self._before).items():
            if not math.isfinite(value):
                first, last = self._good + 1, run.progress.step
                where = f"step {last}" if first >= last else f"one of the steps {first} to {last}"
                raise NonFiniteError(
                    f"{name} was {value} in {where}: lower the learning rate or clip the "
                    f"gradients; autograd.detect_anomaly() names the operation, from the "
                    f"checkpoint before"
                )
        self._before, self._good = now, run.progress.step
