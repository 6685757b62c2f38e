"""Schedules multiplied with each other."""

import math
from collections.abc import Sequence

from rumus.optim.lr_scheduler._base import Schedule, finite
from rumus.optim.lr_scheduler._sequential import formulas, joint_unit


class ChainedScheduler(Schedule):
    r"""``lr(t) = initial_lr · Π_k lr_k(t) / lr_k(initial)``: all schedules at once.

    Args:
        schedulers: at least one schedule; ``initial_lr`` is the first one's, and each contributes
            the factor by which it changes its own. Together they count steps if one of them does.

    Raises:
        HyperparameterError: no schedule, or one that is no function of the step.

    Example:
        >>> warm = LinearLR(0.4, start_factor=0.5, total_iters=2)
        >>> schedule = ChainedScheduler([warm, ExponentialLR(0.4, gamma=0.5)])
        >>> [round(schedule.lr_at(t), 6) for t in range(3)]
        [0.2, 0.15, 0.1]
    """

    def __init__(self, schedulers: Sequence[Schedule]) -> None:
        self._schedulers = formulas(schedulers)
        super().__init__(self._schedulers[0].initial_lr)
        self._unit = joint_unit(self._schedulers)

    def lr_at(self, step: int) -> float:
        """The product of the class at ``step``."""
        factors = [s.lr_at(step) / s.initial_lr if s.initial_lr else 0.0 for s in self._schedulers]
        return finite(self, step, self._initial_lr * math.prod(factors))
