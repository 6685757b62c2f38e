"""A learning rate that falls to zero along a polynomial."""

from rumus.optim import _checks
from rumus.optim.lr_scheduler._base import Schedule


class PolynomialLR(Schedule):
    r"""``lr(t) = initial_lr · (1 - min(t, T) / T)^power``.

    Args:
        initial_lr: learning rate of step 0.
        total_iters: ``T``, steps until 0 is reached, at least 1 (default 5).
        power: the exponent, above 0 (default 1).

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> PolynomialLR(0.4, total_iters=2, power=2.0).lr_at(1)
        0.1
    """

    def __init__(self, initial_lr: float, total_iters: int = 5, power: float = 1.0) -> None:
        super().__init__(initial_lr)
        self._total = _checks.count("total_iters", total_iters)
        self._power = _checks.positive("power", power)

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        left = 1 - min(step, self._total) / self._total
        return float(self._initial_lr * left**self._power)
