"""A learning rate whose factor moves along a straight line: the usual warm-up."""

from rumus.optim import _checks
from rumus.optim.lr_scheduler._base import Schedule, finite


class LinearLR(Schedule):
    r"""``lr(t) = initial_lr · (a + (b - a) · min(t, T) / T)``.

    Args:
        initial_lr: the learning rate that the factors multiply.
        start_factor: ``a``, the factor of step 0, above 0 (default 1/3).
        end_factor: ``b``, the factor from step ``T`` on, at least 0 (default 1).
        total_iters: ``T``, steps until the end factor, at least 1 (default 5).

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> schedule = LinearLR(0.4, start_factor=0.5, total_iters=2)
        >>> [round(schedule.lr_at(t), 6) for t in range(4)]
        [0.2, 0.3, 0.4, 0.4]
    """

    def __init__(
        self,
        initial_lr: float,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        super().__init__(initial_lr)
        self._start = _checks.positive("start_factor", start_factor)
        self._end = _checks.non_negative("end_factor", end_factor)
        self._total = _checks.count("total_iters", total_iters)

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        done = min(step, self._total) / self._total
        factor = self._start + (self._end - self._start) * done
        return finite(self, step, self._initial_lr * factor)
