"""Callbacks that measure: learning rates, times, norms; and a function on an event."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from rumus.tensor import Tensor, stack

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

    def on_fit_start(self, run: Run) -> None:
        """The rates of the first step."""
        self.on_step_start(run)

    def on_step_start(self, run: Run) -> None:
        """The rates that the step is taken with."""
        rates = run.rates.get()
        single = len(rates) == 1
        run.metrics |= {"lr" if single else f"lr_{name}": rate for name, rate in rates.items()}


class WeightNorms:
    """Puts the norm of each parameter into ``run.metrics``, in one transfer.

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
        >>> norms = WeightNorms(Every(steps=1))
        >>> run = trainer.fit(model, loader, nn.mse_loss, epochs=1, callbacks=[norms])
        >>> sorted(run.metrics)
        ['loss', 'norm_bias', 'norm_weight']
    """

    def __init__(self, every: Every = _EACH_50) -> None:
        self._timer = Timer(every)

    def on_step_end(self, run: Run) -> None:
        """Measure, if it is time."""
        if not self._timer.is_due(run.progress):
            return
        named = list(run.model.named_parameters())
        norms = stack([_norm(parameter) for _, parameter in named]).numpy()
        for (name, _), norm in zip(named, norms, strict=True):
            run.metrics[f"norm_{name}"] = float(norm)


class Timing:
    """Puts seconds of a step into ``run.metrics``: means since the time before.

    ``"time_step"`` is a whole step, ``"time_data"`` of it the wait for batches, both as the loop
    sees them: on a GPU a step is over for it when its work is recorded. ``"samples_per_second"`` is
    over everything, and right where something waits for the device now and then.

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

    def __init__(self, every: Every = _EACH_50) -> None:
        self._timer = Timer(every)

    def on_fit_start(self, run: Run) -> None:
        """The clock begins."""
        self._start = perf_counter()
        self._step, self._samples = run.progress.step, run.progress.samples
        self._waited = run.waited

    def on_step_end(self, run: Run) -> None:
        """Measure, if it is time."""
        if not self._timer.is_due(run.progress):
            return
        seconds, steps = perf_counter() - self._start, run.progress.step - self._step
        run.metrics["time_step"] = seconds / steps
        run.metrics["time_data"] = (run.waited - self._waited) / steps
        run.metrics["samples_per_second"] = (run.progress.samples - self._samples) / seconds
        self.on_fit_start(run)


class OnEvent:
    """A function of the run, called at an event.

    Args:
        event: The event.
        function: Called with the run.

    Example:
        >>> said = OnEvent(Event.EPOCH_END, lambda run: print(run.metrics["loss"]))
    """

    def __init__(self, event: Event, function: Callable[[Run], Any]) -> None:
        setattr(self, f"on_{event.value}", function)


def _norm(parameter: Tensor) -> Tensor:
    values = parameter.detach().to(np.float32)
    return (values * values).sum().sqrt()
