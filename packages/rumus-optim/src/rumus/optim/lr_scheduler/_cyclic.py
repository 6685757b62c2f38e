"""A learning rate that rises and falls again and again."""

from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias, get_args

from rumus.optim import _checks
from rumus.optim._errors import HyperparameterError
from rumus.optim.lr_scheduler._base import Schedule, Unit, finite, grown

Shape: TypeAlias = Literal["triangular", "triangular2", "exp_range"]


class CyclicLR(Schedule):
    r"""From ``base_lr`` up to ``max_lr`` and back, in cycles.

    In a cycle's rise the rate grows linearly for ``step_size_up`` steps, and falls for
    ``step_size_down``. Mode ``"triangular2"`` halves the height of each cycle, ``"exp_range"``
    multiplies it by ``gamma`` a step; ``scale_fn`` gives another factor. Momentum is left alone.
    Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, as in PyTorch.

    Args:
        base_lr: the lowest learning rate, at least 0.
        max_lr: the highest one, at least ``base_lr``.
        step_size_up: steps of a rise, at least 1 (default 2000).
        step_size_down: steps of a fall, at least 1 (default: as many as of a rise).
        mode: ``"triangular"`` (default), ``"triangular2"`` or ``"exp_range"``.
        gamma: of ``"exp_range"``, above 0 (default 1).
        scale_fn: takes a cycle's number from 1, or a step, and returns the height's factor; in
            place of a mode (default: none). It is not part of the state dict.
        scale_mode: what ``scale_fn`` takes, ``"cycle"`` (default) or ``"iterations"``.

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> schedule = CyclicLR(0.25, 1.25, step_size_up=2, mode="triangular2")
        >>> [schedule.lr_at(t) for t in range(8)]
        [0.25, 0.75, 1.25, 0.75, 0.25, 0.5, 0.75, 0.5]
    """

    counts: ClassVar[Unit] = "step"

    def __init__(
        self,
        base_lr: float,
        max_lr: float,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Shape = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
    ) -> None:
        super().__init__(_checks.non_negative("base_lr", base_lr))
        self._base = self._initial_lr
        self._height = _checks.non_negative("max_lr", max_lr) - self._initial_lr
        if self._height < 0:
            raise HyperparameterError(f"max_lr={max_lr} is below base_lr={base_lr}")
        self._up = _checks.count("step_size_up", step_size_up)
        down = step_size_up if step_size_down is None else step_size_down
        self._cycle = self._up + _checks.count("step_size_down", down)
        self._mode = _checks.choice("mode", mode, get_args(Shape))
        self._gamma = _checks.positive("gamma", gamma)
        if scale_fn is not None and not callable(scale_fn):
            raise HyperparameterError(f"scale_fn must be a function, got {scale_fn!r}")
        self._scale_fn = scale_fn
        words = ("cycle", "iterations")
        self._by_cycle = _checks.choice("scale_mode", scale_mode, words) == "cycle"

    def set_initial_lr(self, lr: float) -> None:
        """Rescale the whole schedule, ``max_lr`` too, to another lowest learning rate.

        Raises:
            HyperparameterError: ``lr`` is negative or not finite, or another than 0 while the
                lowest rate is 0.
        """
        if not self._base and _checks.non_negative("initial_lr", lr):
            raise HyperparameterError("a schedule whose lowest rate is 0 cannot be rescaled")
        super().set_initial_lr(lr)

    def lr_at(self, step: int) -> float:
        """The formula of the class at ``step``."""
        cycle, place = divmod(step, self._cycle)
        rise = place / self._up
        fall = (self._cycle - place) / (self._cycle - self._up)
        height = self._height * min(rise, fall)
        if self._base:
            height *= self._initial_lr / self._base
        return finite(self, step, self._initial_lr + height * self._scale(cycle, step))

    def _scale(self, cycle: int, step: int) -> float:
        if self._scale_fn is not None:
            return float(self._scale_fn(cycle + 1 if self._by_cycle else step))
        if self._mode == "triangular2":
            return 0.5**cycle
        return grown(1.0, self._gamma, step) if self._mode == "exp_range" else 1.0
