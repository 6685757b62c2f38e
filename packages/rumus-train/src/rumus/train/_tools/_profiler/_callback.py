"""Some steps of a run, profiled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rumus.nn import Module
from rumus.tensor import ArgumentError, Device

from ._profiler import Profiler


class ProfileSteps:
    """A callback that profiles a few steps of a run, prints the table and writes the trace.

    Args:
        first: The step at which it begins, late enough for kernels to be compiled.
        steps: How many.
        device: As in :class:`Profiler`.
        model: As in :class:`Profiler`.
        trace: Where the trace is written, if anywhere.

    Attributes:
        profiler: Of the steps, once these are over.

    Raises:
        ArgumentError: There are no steps.

    Example:
        >>> callbacks = [ProfileSteps(first=100, steps=5)]
    """

    first_only, may_stop = True, False

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

    def on_step_start(self, run: Any) -> None:
        """Begin, if it is time to."""
        if self._seen == self._first:
            self._running = Profiler(self._device, model=self._model)
            self._running.__enter__()

    def on_step_end(self, run: Any) -> None:
        """End, if it is time to, and print the table."""
        self._seen += 1
        if self._running is not None and self._seen == self._first + self._steps:
            profiler = self._leave()
            print(profiler.table())
            if self._trace is not None:
                Path(self._trace).parent.mkdir(parents=True, exist_ok=True)
                profiler.write_trace(self._trace)

    def on_exception(self, run: Any) -> None:
        """Leave everything as it was."""
        if self._running is not None:
            self._leave()

    on_fit_end = on_exception

    def _leave(self) -> Profiler:
        profiler, self._running = self._running, None
        assert profiler is not None, "called while it runs"
        profiler.__exit__()
        self.profiler = profiler
        return profiler
