"""One rise and fall of the learning rate over a whole training run."""

from typing import ClassVar, Literal

from rumus.optim import _checks
from rumus.optim._errors import HyperparameterError
from rumus.optim.lr_scheduler._base import Schedule, Unit, finite
from rumus.optim.lr_scheduler._cosine import half_cosine


class OneCycleLR(Schedule):
    r"""From ``initial_lr = max_lr / div_factor`` up to ``max_lr`` and down to almost nothing.

    The rise ends at step ``pct_start · total_steps - 1``, the fall to
    ``initial_lr / final_div_factor`` at ``total_steps - 1``, after which the rate stays. With
    ``three_phase`` the rate falls back to ``initial_lr`` as fast as it rose, and on from there.
    Smith & Topin, "Super-Convergence", 2019, with PyTorch's phases.

    Args:
        max_lr: the highest learning rate, at least 0.
        total_steps: length of the cycle in steps, at least 1.
        pct_start: the rise's share of the cycle, in (0, 1) (default 0.3).
        anneal_strategy: ``"cos"`` (default) or ``"linear"``.
        div_factor: ``max_lr / initial_lr``, above 0 (default 25).
        final_div_factor: ``initial_lr / last learning rate``, above 0 (default 1e4).
        three_phase: fall in two phases (default False).

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> schedule = OneCycleLR(1.0, total_steps=11, pct_start=0.5, anneal_strategy="linear")
        >>> round(schedule.lr_at(0), 6), round(schedule.lr_at(10), 6)
        (0.04, 4e-06)
    """

    counts: ClassVar[Unit] = "step"

    def __init__(
        self,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        self._div = _checks.positive("div_factor", div_factor)
        self._final_div = _checks.positive("final_div_factor", final_div_factor)
        super().__init__(_checks.non_negative("max_lr", max_lr) / self._div)
        self._total = _checks.count("total_steps", total_steps)
        pct = _checks.positive("pct_start", pct_start)
        if pct >= 1:
            raise HyperparameterError(f"pct_start must be in (0, 1), got {pct_start!r}")
        self._cosine = (
            _checks.choice("anneal_strategy", anneal_strategy, ("cos", "linear")) == "cos"
        )
        self._peak = pct * self._total - 1
        self._three_phase = three_phase

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        return finite(self, step, self._rate(min(step, self._total - 1)))

    def _rate(self, step: int) -> float:
        low = self._initial_lr
        high, last = low * self._div, low / self._final_div
        if step < self._peak:
            return self._between(low, high, step / self._peak)
        start, level = self._peak, high
        if self._three_phase:
            if step < 2 * self._peak:
                return self._between(high, low, (step - start) / self._peak)
            start, level = 2 * self._peak, low
        length = self._total - 1 - start
        return self._between(level, last, (step - start) / length if length > 0 else 1.0)

    def _between(self, start: float, end: float, done: float) -> float:
        if self._cosine:
            return half_cosine(start, end, done)
        return start + (end - start) * min(done, 1.0)
