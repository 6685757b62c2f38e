"""A linear warm-up followed by half a cosine: the usual schedule of a transformer."""

from typing import ClassVar

from rumus.optim import _checks
from rumus.optim._errors import HyperparameterError
from rumus.optim.lr_scheduler._base import Schedule, Unit
from rumus.optim.lr_scheduler._cosine import half_cosine


class WarmupCosine(Schedule):
    r"""``start_lr → initial_lr`` along a line in ``W`` steps, ``→ eta_min`` along half a cosine.

    With ``W = warmup_steps`` and ``T = total_steps``::

        t < W:       lr(t) = start_lr + (initial_lr - start_lr) · t / W
        W ≤ t < T:   lr(t) = eta_min + ½ (initial_lr - eta_min)(1 + cos(π (t - W) / (T - W)))
        t ≥ T:       lr(t) = eta_min

    Args:
        initial_lr: the highest learning rate, reached at step ``W``.
        warmup_steps: ``W``, at least 0.
        total_steps: ``T``, above ``W``.
        eta_min: the last learning rate, at least 0 (default 0).
        start_lr: learning rate of step 0 if ``W > 0``, at least 0 (default 0).

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> schedule = WarmupCosine(0.4, warmup_steps=2, total_steps=4)
        >>> [round(schedule.lr_at(t), 6) for t in range(6)]
        [0.0, 0.2, 0.4, 0.2, 0.0, 0.0]
    """

    counts: ClassVar[Unit] = "step"

    def __init__(
        self,
        initial_lr: float,
        warmup_steps: int,
        total_steps: int,
        eta_min: float = 0.0,
        start_lr: float = 0.0,
    ) -> None:
        super().__init__(initial_lr)
        self._warmup = _checks.count("warmup_steps", warmup_steps, least=0)
        self._total = _checks.count("total_steps", total_steps)
        if self._total <= self._warmup:
            raise HyperparameterError(
                f"total_steps must be above warmup_steps, got {total_steps} and {warmup_steps}"
            )
        self._eta_min = _checks.non_negative("eta_min", eta_min)
        self._start = _checks.non_negative("start_lr", start_lr)

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        if step < self._warmup:
            return self._start + (self._initial_lr - self._start) * step / self._warmup
        done = (step - self._warmup) / (self._total - self._warmup)
        return half_cosine(self._initial_lr, self._eta_min, done)
