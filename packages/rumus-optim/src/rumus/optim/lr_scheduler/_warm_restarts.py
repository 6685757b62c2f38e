"""A learning rate that falls along half a cosine and starts again."""

from rumus.optim import _checks
from rumus.optim.lr_scheduler._base import Schedule
from rumus.optim.lr_scheduler._cosine import half_cosine


class CosineAnnealingWarmRestarts(Schedule):
    r"""``lr(t) = eta_min + ½ (initial_lr - eta_min)(1 + cos(π t_cur / T_i))``.

    Cycle ``i`` is ``T_i = t_0 · t_mult^i`` steps long and ``t_cur`` counts from its start.
    Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, equation 5.

    Args:
        initial_lr: learning rate at the start of each cycle.
        t_0: length of the first cycle in steps, at least 1.
        t_mult: how many times longer each cycle is than the one before, at least 1 (default 1).
        eta_min: the lowest learning rate, at least 0 (default 0).

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> schedule = CosineAnnealingWarmRestarts(0.4, t_0=2)
        >>> [round(schedule.lr_at(t), 6) for t in range(4)]
        [0.4, 0.2, 0.4, 0.2]
    """

    def __init__(self, initial_lr: float, t_0: int, t_mult: int = 1, eta_min: float = 0.0) -> None:
        super().__init__(initial_lr)
        self._t_0 = _checks.count("t_0", t_0)
        self._t_mult = _checks.count("t_mult", t_mult)
        self._eta_min = _checks.non_negative("eta_min", eta_min)

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        current, length = step, self._t_0
        if self._t_mult == 1:
            current %= length
        else:
            while current >= length:
                current -= length
                length *= self._t_mult
        return half_cosine(self._initial_lr, self._eta_min, current / length)
