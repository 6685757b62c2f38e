"""Some steps of a run, profiled."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from rumus.nn import Module
from rumus.tensor import ArgumentError, Device

from ._profiler import Profiler


class ProfileSteps:
    """A callback that profiles a few steps of a run, prints the table and writes the trace.

    These steps are run as they are where others replay a recording, of which a profile could say
    nothing; they have the same bits. A run that ends before prints what there is.

    Args:
        first: The step at which it begins, late enough for kernels to be compiled.
        steps: How many.
        device: As in :class:`Profiler`.
        model: As in :class:`Profiler`; by default the run's.
        trace: Where the trace is written, if anywhere.

    Attributes:
        profiler: Of the steps, once these are over.

    Raises:
        ArgumentError: There are no steps.

    Example:
        >>> callbacks = [ProfileSteps(first=100, steps=5)]
    """

    first_only = True
    may_stop = False

    def __init__(
        self,
        first: int = 10,
        steps: int = 5,
        *,
        device: str | Device | None = None,
        model: Module | None = None,
        trace: str | os.PathLike[str] | None = None,
    ) -> None:
        if first < 0 or steps < 1:
            raise ArgumentError(f"first is from 0 and steps from 1, not {first} and {steps}")
        self.profiler: Profiler | None = None
        self._device, self._model = device, model
        self._first, self._steps, self._trace = first, steps, trace
        self._running: Profiler | None = None
        self._seen = 0
        self._plan: Any = None

    def on_step_start(self, run: Any) -> None:
        """Begin, if it is time to."""
        if self._seen == self._first:
            self._plan = run.plan
            run.plan = replace(run.plan, step=run.plan.step.uncaptured())
            self._running = Profiler(self._device, model=self._model or run.model)
            self._running.__enter__()

    def on_step_end(self, run: Any) -> None:
        """End, if it is time to, and print the table."""
        self._seen += 1
        if self._running is not None and self._seen == self._first + self._steps:
            self._say(self._leave(run))

    def on_fit_end(self, run: Any) -> None:
        """Print what there is, if the run had fewer steps."""
        if self._running is not None:
            self._say(self._leave(run))
        elif self.profiler is None:
            print(f"ProfileSteps begins after {self._first} steps, and the run had {self._seen}")

    def on_exception(self, run: Any) -> None:
        """Leave everything as it was."""
        if self._running is not None:
            self._leave(run)

    def _say(self, profiler: Profiler) -> None:
        print(profiler.table())
        if self._trace is not None:
            Path(self._trace).parent.mkdir(parents=True, exist_ok=True)
            profiler.write_trace(self._trace)

    def _leave(self, run: Any) -> Profiler:
        run.plan.step.release()
        run.plan = self._plan
        profiler, self._running = self._running, None
        assert profiler is not None, "called while it runs"
        profiler.__exit__()
        self.profiler = profiler
        return profiler
