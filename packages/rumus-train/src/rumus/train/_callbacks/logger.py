"""What a run logs, and when; where it goes is up to the sinks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rumus.tensor import ArgumentError

from .._every import Every, Timer
from .._means import Totals
from .._run import Run


class Sink(Protocol):
    """Where the values of a run go; the loggers of :mod:`rumus.train` are sinks.

    Example:
        >>> class Printer:
        ...     def log(self, step, values):
        ...         print(step, values)
        ...     def resume(self, step):
        ...         pass
        ...     def flush(self):
        ...         pass
        >>> sink: Sink = Printer()
        >>> sink.log(1, {"loss": 0.5})
        1 {'loss': 0.5}
    """

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take in numbers by name."""
        ...

    def resume(self, step: int) -> None:
        """Forget what was logged after a step, which the run goes on from."""
        ...

    def flush(self) -> None:
        """Let readers see everything."""
        ...


class Log:
    """Writes a run's values into sinks; the step is the x axis of everything.

    At the trigger: the means of the outputs since the time before, the epoch, the samples, and what
    has changed in ``run.metrics``. At a validation's end its values, and at an epoch's end the
    epoch's means as ``epoch_loss``. Only the trigger and the epoch's end wait for the device, once
    for all sinks. Of several processes the first alone writes; a subclass with
    ``first_only = False`` writes in each of them.

    Args:
        sinks: At least one.
        every: The trigger (default: each 50 steps).

    Raises:
        ArgumentError: A sink has no ``log``.

    Example:
        >>> from pathlib import Path
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> from rumus.train import CsvLogger, Every
        >>> with CsvLogger("metrics.csv") as file:
        ...     log = Log(file, every=Every(steps=1))
        ...     run = trainer.fit(model, loader, nn.mse_loss, epochs=1, callbacks=[log])
        >>> len(Path("metrics.csv").read_text().splitlines()) > 1
        True
    """

    first_only = True
    may_stop = False

    def __init__(self, *sinks: Sink, every: Every = Every(steps=50)) -> None:  # noqa: B008
        wrong = [sink for sink in sinks if not callable(getattr(sink, "log", None))]
        if wrong or not sinks:
            raise ArgumentError(f"Log takes sinks with log(step, values), not {wrong or 'none'}")
        self._sinks = sinks
        self._timer = Timer(every)
        self._before = Totals()
        self._known: dict[str, Any] = {}

    def on_fit_start(self, run: Run) -> None:
        """Cut off what was logged after the checkpoint that the run goes on from."""
        for sink in self._sinks:
            sink.resume(run.progress.step)
        if run.progress.samples == 0:
            self._before, self._known = run.read(), {}

    def on_step_end(self, run: Run) -> None:
        """Log, if it is time."""
        if not self._timer.is_due(run.progress):
            return
        now = run.read()
        self._log(run, self._changed(run) | now.since(self._before))
        self._before = now

    def on_validation_end(self, run: Run) -> None:
        """Log what was measured."""
        self._log(run, {n: v for n, v in run.metrics.items() if n.startswith("val_")})

    def on_epoch_end(self, run: Run) -> None:
        """Log the means of the epoch."""
        means = run.read().since(run.epoch_start)
        self._log(run, {f"epoch_{name}": value for name, value in means.items()})

    def on_checkpoint(self, run: Run) -> None:
        """What is logged is there when the checkpoint is."""
        for sink in self._sinks:
            sink.flush()

    def on_fit_end(self, run: Run) -> None:
        """Let readers see everything; who has made the sinks closes them."""
        self.on_checkpoint(run)

    def state_dict(self) -> dict[str, Any]:
        """What the next means are counted from, and what is known of the metrics."""
        return {"before": self._before.state_dict(), "known": dict(self._known)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another one was."""
        self._before, self._known = Totals.from_state(state["before"]), dict(state["known"])

    def _changed(self, run: Run) -> dict[str, Any]:
        """Numbers among the metrics that are not what they were, and are logged nowhere else."""
        numbers = {
            name: value
            for name, value in run.metrics.items()
            if isinstance(value, (int, float))
            and name not in run.averaged
            and not name.startswith("val_")
        }
        known, self._known = self._known, numbers
        return {name: value for name, value in numbers.items() if known.get(name) != value}

    def _log(self, run: Run, values: Mapping[str, Any]) -> None:
        numbers = {n: float(v) for n, v in values.items() if isinstance(v, (int, float))}
        at = {"epoch": float(run.progress.epoch), "samples": float(run.progress.samples)}
        for sink in self._sinks:
            sink.log(run.progress.step, at | numbers)
