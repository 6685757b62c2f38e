"""Schedules one after the other."""

import copy
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rumus.optim._errors import HyperparameterError
from rumus.optim.lr_scheduler._base import Schedule, StateDict, Unit, reading_state
from rumus.optim.lr_scheduler._multi_step import rising


class SequentialLR(Schedule):
    """Follow one schedule until a milestone, then the next, which starts from its own step 0.

    Args:
        schedulers: the schedules in order, at least one; together they count steps if one does.
        milestones: the steps at which the next one takes over, one fewer than schedules, rising.

    Raises:
        HyperparameterError: the numbers of schedules and milestones do not fit, or a milestone is
            outside its range.

    Example:
        >>> warm = LinearLR(0.4, start_factor=0.5, total_iters=2)
        >>> schedule = SequentialLR([warm, ExponentialLR(0.4, gamma=0.5)], milestones=[2])
        >>> [round(schedule.lr_at(t), 6) for t in range(5)]
        [0.2, 0.3, 0.4, 0.2, 0.1]
    """

    def __init__(self, schedulers: Sequence[Schedule], milestones: Iterable[int]) -> None:
        self._schedulers = formulas(schedulers)
        self._milestones = rising(milestones)
        if len(self._milestones) != len(self._schedulers) - 1:
            raise HyperparameterError(
                f"{len(self._schedulers)} schedulers need {len(self._schedulers) - 1} milestones, "
                f"got {len(self._milestones)}"
            )
        super().__init__(self._schedulers[0].initial_lr)
        self._unit = joint_unit(self._schedulers)

    def lr_at(self, step: int) -> float:
        """The rate of the schedule that is in force at ``step``."""
        index = bisect_right(self._milestones, step)
        start = self._milestones[index - 1] if index else 0
        return self._schedulers[index].lr_at(step - start)

    def set_initial_lr(self, lr: float) -> None:
        """Give every schedule the same initial learning rate.

        Raises:
            HyperparameterError: ``lr`` is negative or not finite.
        """
        super().set_initial_lr(lr)
        for scheduler in self._schedulers:
            scheduler.set_initial_lr(lr)

    def state_dict(self) -> StateDict:
        """As of every schedule, and the states of those that follow each other."""
        return {**super().state_dict(), "schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where a SequentialLR of the same schedules stood.

        Raises:
            OptimizerStateError: ``state`` is of another class or of other schedules, or lacks an
                entry; nothing has changed then.
        """
        with reading_state(self, state, ("schedulers",)):
            schedulers = copy.deepcopy(self._schedulers)
            for scheduler, inner in zip(schedulers, state["schedulers"], strict=True):
                scheduler.load_state_dict(inner)
        super().load_state_dict(state)
        self._schedulers = schedulers


def joint_unit(schedulers: Sequence[Schedule]) -> Unit:
    """What several schedules count together."""
    return "step" if any(s.unit == "step" for s in schedulers) else "epoch"


def formulas(schedulers: Sequence[Schedule]) -> list[Schedule]:
    """The schedules as a list, checked to be some and to be functions of the step."""
    if not isinstance(schedulers, Iterable):
        raise HyperparameterError(f"expected several schedulers, got {schedulers!r}")
    result = list(schedulers)
    if not result:
        raise HyperparameterError("expected at least one scheduler, got none")
    for scheduler in result:
        if not isinstance(scheduler, Schedule):
            raise HyperparameterError(
                "only schedules that are a function of the step can be combined, "
                f"got a {type(scheduler).__name__}"
            )
    return result
