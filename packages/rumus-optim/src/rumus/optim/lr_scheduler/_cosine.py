"""A learning rate that falls along half a cosine."""

import math

from rumus.optim import _checks
from rumus.optim.lr_scheduler._base import Schedule


class CosineAnnealingLR(Schedule):
    r"""``lr(t) = eta_min + ½ (initial_lr - eta_min)(1 + cos(π t / t_max))``, then ``eta_min``.

    From ``t_max`` on the rate stays at ``eta_min``. (PyTorch's class of this name climbs again
    after ``T_max``; use :class:`CosineAnnealingWarmRestarts` for restarts.)
    Loshchilov & Hutter, "SGDR", 2017, equation 5, one cycle.

    Args:
        initial_lr: learning rate of step 0.
        t_max: steps until ``eta_min``, at least 1.
        eta_min: the last learning rate, at least 0 (default 0).

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> schedule = CosineAnnealingLR(0.4, t_max=2)
        >>> [round(schedule.lr_at(t), 6) for t in range(4)]
        [0.4, 0.2, 0.0, 0.0]
    """

    def __init__(self, initial_lr: float, t_max: int, eta_min: float = 0.0) -> None:
        super().__init__(initial_lr)
        self._t_max = _checks.count("t_max", t_max)
        self._eta_min = _checks.non_negative("eta_min", eta_min)

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        return half_cosine(self._initial_lr, self._eta_min, step / self._t_max)


def half_cosine(start: float, end: float, done: float) -> float:
    """From ``start`` to ``end`` along half a cosine as ``done`` goes from 0 to 1, clamped."""
    if done >= 1:
        return end
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * done))
