"""A learning rate that decays by a factor every step."""

from rumus.optim import _checks
from rumus.optim.lr_scheduler._base import Schedule, finite, grown


class ExponentialLR(Schedule):
    r"""``lr(t) = initial_lr · gamma^t``.

    Args:
        initial_lr: learning rate of step 0.
        gamma: the factor of a step, above 0.

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> ExponentialLR(0.8, gamma=0.5).lr_at(3)
        0.1
    """

    def __init__(self, initial_lr: float, gamma: float) -> None:
        super().__init__(initial_lr)
        self._gamma = _checks.positive("gamma", gamma)

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        return finite(self, step, grown(self._initial_lr, self._gamma, step))
