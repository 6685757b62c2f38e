"""A learning rate that is smaller for a while."""

from rumus.optim import _checks
from rumus.optim.lr_scheduler._base import Schedule, finite


class ConstantLR(Schedule):
    r"""``initial_lr · factor`` for the first ``total_steps`` steps, then ``initial_lr``.

    Args:
        initial_lr: learning rate from step ``total_steps`` on.
        factor: what it is multiplied by before, at least 0 (default 1/3).
        total_steps: how many steps that lasts, at least 0 (default 5).

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> schedule = ConstantLR(0.5, factor=0.5, total_steps=2)
        >>> [schedule.lr_at(t) for t in range(4)]
        [0.25, 0.25, 0.5, 0.5]
    """

    def __init__(self, initial_lr: float, factor: float = 1 / 3, total_steps: int = 5) -> None:
        super().__init__(initial_lr)
        self._factor = _checks.non_negative("factor", factor)
        self._total = _checks.count("total_steps", total_steps, least=0)

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        return finite(self, step, self._initial_lr * (self._factor if step < self._total else 1.0))
