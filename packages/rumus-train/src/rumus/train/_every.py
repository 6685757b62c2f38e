"""The one trigger: every so many steps, epochs or seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from rumus.tensor import ArgumentError

from ._progress import Progress


@dataclass(frozen=True)
class Every:
    """When to log, to validate, to save: exactly one of the three is given.

    Args:
        steps: After each step whose number is a multiple.
        epochs: At the end of each epoch whose number, from 1, is a multiple.
        seconds: At the first edge of a step so long after the last time.

    Raises:
        ArgumentError: None is given, or several, or one is not above 0.

    Example:
        >>> Every(steps=10).is_due(Progress(step=20), epoch_ended=False)
        True
    """

    steps: int | None = None
    epochs: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        given = {n: v for n, v in vars(self).items() if v is not None}
        if len(given) != 1:
            raise ArgumentError(
                f"Every takes steps, epochs or seconds, one of them, not {given or 'nothing'}"
            )
        ((name, value),) = given.items()
        whole = name == "seconds" or type(value) is int
        if not whole or not math.isfinite(value) or value <= 0:
            kind = "number" if name == "seconds" else "whole number"
            raise ArgumentError(f"Every({name}=...) is a {kind} above 0, not {value!r}")

    def is_due(self, progress: Progress, epoch_ended: bool, waited: float = 0.0) -> bool:
        """Whether it is time.

        Args:
            progress: After a step, or in the epoch that has ended.
            epoch_ended: Which of the two.
            waited: Seconds since the last time.
        """
        if self.epochs is not None:
            return epoch_ended and (progress.epoch + 1) % self.epochs == 0
        if self.steps is not None:
            return not epoch_ended and progress.step % self.steps == 0
        assert self.seconds is not None
        return waited >= self.seconds


class Timer:
    """An :class:`Every` with a clock that runs since the last time that it was due.

    Args:
        every: The trigger.
        now: The clock, in seconds.
    """

    def __init__(self, every: Every, now: Callable[[], float] = monotonic) -> None:
        self.every, self._now = every, now
        self._last = now()

    def is_due(self, progress: Progress, epoch_ended: bool = False) -> bool:
        """Whether it is time; if so, the clock begins anew."""
        due = self.every.is_due(progress, epoch_ended, self._now() - self._last)
        if due:
            self._last = self._now()
        return due
