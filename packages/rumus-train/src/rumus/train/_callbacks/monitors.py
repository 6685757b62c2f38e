"""Callbacks that measure: learning rates and times; and a function on an event."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from rumus import gpu
from rumus.tensor import ArgumentError

from .._events import Event
from .._every import Every, Timer
from .._run import Run

_EACH_50 = Every(steps=50)


class LearningRateMonitor:
    """Puts the learning rates into ``run.metrics``, as ``"lr"`` or ``"lr_NAME"`` for each.

    It belongs before the loggers that write them.

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> rates = LearningRateMonitor()
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=1, callbacks=[rates])
        >>> run.metrics["lr"]
        0.1
    """

    may_stop = False

    def on_fit_start(self, run: Run) -> None:
        """The rates of the first step."""
        self.on_step_start(run)

    def on_step_start(self, run: Run) -> None:
        """The rates that the step is taken with."""
        rates = run.rates.get()
        single = len(rates) == 1
        run.metrics |= {"lr" if single else f"lr_{name}": rate for name, rate in rates.items()}


class Timing:
    """Puts seconds of a step into ``run.metrics``: means since the time before.

    ``"time_step"`` is a whole step; of it ``"time_data"`` the wait for batches, and ``"time_read"``
    the wait of loggers for the device. All are as the loop sees them: on a GPU a step is over for
    it when its work is recorded. ``"samples_per_second"`` is over everything, and right where
    something waits for the device now and then. ``"memory"`` are the bytes in arrays on the GPU,
    and ``"memory_peak"`` the most so far.

    Args:
        every: When (default: each 50 steps).

    Example:
        >>> from rumus import nn
        >>> from rumus.data import ArrayDataset, DataLoader
        >>> from rumus.optim import SGD
        >>> from rumus.train import Trainer
        >>> loader = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), batch_size=4)
        >>> model = nn.Linear(2, 1)
        >>> trainer = Trainer(SGD(model.parameters(), lr=0.1))
        >>> from rumus.train import Every
        >>> timing = Timing(Every(steps=1))
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=1, callbacks=[timing])
        >>> "time_data" in run.metrics
        True
    """

    may_stop = False

    def __init__(self, every: Every = _EACH_50) -> None:
        self._timer = Timer(every)

    def on_fit_start(self, run: Run) -> None:
        """The clock begins."""
        self._start = perf_counter()
        self._step, self._samples = run.progress.step, run.progress.samples
        self._waited, self._read = run.waited, run.reading

    def on_step_end(self, run: Run) -> None:
        """Measure, if it is time."""
        if not self._timer.is_due(run.progress):
            return
        seconds, steps = perf_counter() - self._start, run.progress.step - self._step
        run.metrics["time_step"] = seconds / steps
        run.metrics["time_data"] = (run.waited - self._waited) / steps
        run.metrics["time_read"] = (run.reading - self._read) / steps
        if run.device.kind == "gpu":
            found = gpu.memory_stats(run.device.index)
            run.metrics |= {"memory": found["live"], "memory_peak": found["peak"]}
        run.metrics["samples_per_second"] = (run.progress.samples - self._samples) / seconds
        self.on_fit_start(run)


class OnEvent:
    """A function of the run, called at an event.

    Args:
        event: The event.
        function: Called with the run.

    Raises:
        ArgumentError: One of them is something else.

    Example:
        >>> said = OnEvent(Event.EPOCH_END, lambda run: print(run.metrics["loss"]))
    """

    def __init__(self, event: Event, function: Callable[[Run], Any]) -> None:
        if not isinstance(event, Event):
            raise ArgumentError(f"OnEvent takes an Event, such as Event.STEP_END, not {event!r}")
        if not callable(function):
            raise ArgumentError(f"OnEvent takes a function of the run, not {function!r}")
        setattr(self, f"on_{event.value}", function)
