"""Progress on the screen: a bar in a terminal, plain lines elsewhere, next to nothing in CI."""

from __future__ import annotations

import math
import os
import sys
from time import monotonic
from typing import TextIO

from .._every import Every, Timer
from .._means import Totals
from .._run import Run
from .screen import Lines, Screen, screen_for


class ProgressBar:
    """Shows the loss, the latest validation, the rate, samples a second and the time left.

    In a terminal it is a line that is drawn anew, with `rich` if that is installed
    (``pip install rumus-train[rich]``), and in a notebook an output that is shown anew; elsewhere a
    plain line at each trigger; in CI, where the variable ``CI`` is set, a line for each epoch.

    Args:
        every: When the loss is read (default: each second).
        file: Where it is written (default: standard error, or the notebook).

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> import io
        >>> lines = io.StringIO()
        >>> bar = ProgressBar(file=lines)
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=1, callbacks=[bar])
        >>> lines.getvalue().startswith("epoch 1/1")
        True
    """

    first_only = True
    may_stop = False

    def __init__(
        self,
        every: Every = Every(seconds=1.0),  # noqa: B008  it is frozen
        file: TextIO | None = None,
    ) -> None:
        self._every, self._file = every, file
        self._timer = Timer(every)
        self._screen: Screen | None = None

    def on_fit_start(self, run: Run) -> None:
        """Begin to count."""
        self._begun, self._first = monotonic(), run.progress
        self._before = run.read() if run.progress.step == 0 else Totals()
        self._timer = Timer(self._every)
        self._quiet = "CI" in os.environ
        self._screen = Lines(self._file or sys.stderr) if self._quiet else screen_for(self._file)

    def on_step_end(self, run: Run) -> None:
        """Draw, if it is time."""
        if not self._quiet and self._timer.is_due(run.progress):
            now = run.read()
            self._shown().draw(self._line(run, now.since(self._before)))
            self._before = now

    def on_epoch_end(self, run: Run) -> None:
        """A line that stays, with the means of the epoch."""
        self._before = run.read()
        self._shown().keep(self._line(run, self._before.since(run.epoch_start)))

    def on_fit_end(self, run: Run) -> None:
        """Say why the run has ended, if it was stopped."""
        if run.stopped is not None:
            self._shown().keep(f"stopped: {run.stopped}")
        self._close()

    def on_exception(self, run: Run) -> None:
        """Leave the terminal as it was."""
        self._close()

    def _line(self, run: Run, means: dict[str, float]) -> str:
        progress, plan = run.progress, run.plan
        seconds = monotonic() - self._begun
        speed = (progress.samples - self._first.samples) / seconds if seconds else 0.0
        epoch = f"epoch {progress.epoch + 1}" + (f"/{plan.epochs}" if plan.epochs else "")
        batch = f"batch {progress.batch}" + (f"/{run.batches}" if run.batches else "")
        values = [f"{name} {value:.4g}" for name, value in means.items()]
        values += [
            f"{name} {value:.4g}"
            for name, value in run.metrics.items()
            if name.startswith("val_") and isinstance(value, (int, float))
        ]
        rates = [f"lr {rate:.3g}" for rate in run.rates.get().values()]
        left = self._left(run, seconds)
        return "  ".join([epoch, batch, *values, *rates, f"{speed:.0f} samples/s", *left])

    def _left(self, run: Run, seconds: float) -> list[str]:
        """The time that the rest takes at the speed so far."""
        plan, now, first = run.plan, run.progress, self._first
        shares = []
        if plan.steps is not None and plan.steps > first.step:
            shares.append((now.step - first.step) / (plan.steps - first.step))
        if plan.epochs is not None and run.batches:
            whole = (plan.epochs - first.epoch) * run.batches - first.batch
            done = (now.epoch - first.epoch) * run.batches + now.batch - first.batch
            shares.append(done / whole if whole else 1.0)
        share = max(shares, default=0.0)
        if not 0 < share < 1:
            return []
        left = math.ceil(seconds / share * (1 - share))
        return [f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"]

    def _shown(self) -> Screen:
        assert self._screen is not None, "a run begins with its first event"
        return self._screen

    def _close(self) -> None:
        if self._screen is not None:
            self._screen.close()
            self._screen = None
