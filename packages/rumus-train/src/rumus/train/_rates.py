"""Learning rates: each schedule is advanced by what it counts, and sets its optimizer's rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from rumus.optim.lr_scheduler import LRScheduler, MetricScheduler
from rumus.tensor import ArgumentError

from ._checked import type_name

Scheduler: TypeAlias = LRScheduler | MetricScheduler
Schedules: TypeAlias = Scheduler | Mapping[str, Scheduler]
"""For one optimizer, or by the names of several."""


class Rates:
    """The schedules of some optimizers.

    Args:
        optimizers: By name.
        schedule: For all of them, or by name; None leaves the rates alone.

    Raises:
        ArgumentError: A schedule is none, or for an optimizer that is not there.
    """

    def __init__(self, optimizers: Mapping[str, Any], schedule: Schedules | None) -> None:
        self._optimizers = optimizers
        self.schedules: dict[str, Any] = {}
        if isinstance(schedule, Mapping):
            self.schedules = dict(schedule)
        elif schedule is not None:
            if len(optimizers) > 1:
                raise ArgumentError(
                    f"with several optimizers schedules are given by name, as in "
                    f"schedule={{{next(iter(optimizers))!r}: ...}}"
                )
            self.schedules = dict.fromkeys(optimizers, schedule)
        for name, given in self.schedules.items():
            if name not in optimizers:
                raise ArgumentError(
                    f"there is no optimizer {name!r} for a schedule, only {', '.join(optimizers)}"
                )
            if isinstance(given, type):
                raise ArgumentError(
                    f"schedule is an object, {given.__name__}(base_lr, ...), and not its class"
                )
            if not isinstance(given, (LRScheduler, MetricScheduler)):
                raise ArgumentError(
                    f"schedule is a learning-rate schedule such as CosineAnnealingLR, not a "
                    f"{type_name(given)}"
                )
            if getattr(given, "mode", "min") == "max":
                raise ArgumentError(
                    f"fit gives a {type(given).__name__} the loss, of which less is better: take "
                    'mode="min", or step it in a callback of your own'
                )
        self.apply()

    def get(self) -> dict[str, float]:
        """The rates by optimizer."""
        return {name: float(o.get_lr()) for name, o in self._optimizers.items()}

    def apply(self) -> None:
        """Set the rates where the schedules are."""
        for name, schedule in self.schedules.items():
            self._optimizers[name].set_lr(schedule.get_lr())

    def after_step(self) -> None:
        """Advance the schedules that count steps."""
        for name, schedule in self.schedules.items():
            if schedule.unit == "step" and not _follows(schedule):
                schedule.step()
                self._optimizers[name].set_lr(schedule.get_lr())

    def after_epoch(self, metrics: Mapping[str, float]) -> None:
        """Advance the schedules that count epochs; one that follows a metric takes the loss.

        That of the validation if there is one, else that of the training.
        """
        for schedule in self.schedules.values():
            if _follows(schedule):
                schedule.step(_loss_of(metrics))
            elif schedule.unit == "epoch":
                schedule.step()
        self.apply()

    def state_dict(self) -> dict[str, Any]:
        """The states of the schedules by optimizer."""
        return {name: schedule.state_dict() for name, schedule in self.schedules.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where other schedules were."""
        for name, schedule in self.schedules.items():
            schedule.load_state_dict(state[name])
        self.apply()


def _loss_of(metrics: Mapping[str, float]) -> float:
    for name in ("val_loss", "loss"):
        if name in metrics:
            return metrics[name]
    raise ArgumentError(
        "a schedule that follows a metric takes val_loss, or loss, and the run has "
        f"{', '.join(metrics) or 'no metrics'}: let the step return its loss as 'loss'"
    )


def _follows(schedule: Any) -> bool:
    """Whether a schedule's step takes a metric."""
    return hasattr(schedule, "mode")
