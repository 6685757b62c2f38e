"""A learning rate that drops by a factor every few steps."""

from rumus.optim import _checks
from rumus.optim.lr_scheduler._base import Schedule, finite, grown


class StepLR(Schedule):
    r"""``lr(t) = initial_lr · gamma^⌊t / step_size⌋``.

    Args:
        initial_lr: learning rate of step 0.
        step_size: steps between two drops, at least 1.
        gamma: the factor of a drop, above 0 (default 0.1).

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> schedule = StepLR(0.4, step_size=2, gamma=0.5)
        >>> [schedule.lr_at(t) for t in range(5)]
        [0.4, 0.4, 0.2, 0.2, 0.1]
    """

    def __init__(self, initial_lr: float, step_size: int, gamma: float = 0.1) -> None:
        super().__init__(initial_lr)
        self._step_size = _checks.count("step_size", step_size)
        self._gamma = _checks.positive("gamma", gamma)

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        drops = step // self._step_size
        return finite(self, step, grown(self._initial_lr, self._gamma, drops))
