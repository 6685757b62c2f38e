"""A learning rate that drops when a metric stops getting better."""

import math
from collections.abc import Mapping
from typing import Any, Literal, cast

from rumus.optim import _checks
from rumus.optim._errors import HyperparameterError
from rumus.optim.lr_scheduler._base import Counting, StateDict, reading_state

_COUNTERS = ("reductions", "bad_steps", "cooldown_left")


class ReduceLROnPlateau(Counting):
    r"""``lr = max(initial_lr · factor^k, min_lr)`` after ``k`` plateaus.

    A plateau is ``patience + 1`` steps in a row in which the metric given to :meth:`step` did not
    get better than the best so far by the threshold. A NaN is never better, nor is the worst
    infinity.

    Args:
        initial_lr: learning rate before the first plateau.
        mode: ``"min"`` if a smaller metric is better (default), or ``"max"``.
        factor: the factor of a drop, in (0, 1) (default 0.1).
        patience: bad steps that are let pass, at least 0 (default 10).
        threshold: how much better counts as better, at least 0 (default 1e-4).
        threshold_mode: ``"rel"``, a share of the best one's magnitude (default), or ``"abs"``.
        cooldown: steps after a drop in which bad ones do not count, at least 0 (default 0).
        min_lr: the lowest learning rate, at least 0 (default 0).
        eps: a drop smaller than this is not made, at least 0 (default 1e-8).

    Raises:
        HyperparameterError: a value is outside its range.

    Example:
        >>> schedule = ReduceLROnPlateau(0.4, factor=0.5, patience=1)
        >>> for loss in (1.0, 1.0, 1.0):
        ...     schedule.step(loss)
        >>> schedule.get_lr()
        0.2
    """

    def __init__(
        self,
        initial_lr: float,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        self._initial_lr = _checks.non_negative("initial_lr", initial_lr)
        self._mode = cast(Literal["min", "max"], _checks.choice("mode", mode, ("min", "max")))
        self._factor = _checks.positive("factor", factor)
        if self._factor >= 1:
            raise HyperparameterError(f"factor must be in (0, 1), got {factor!r}")
        self._patience = _checks.count("patience", patience, least=0)
        self._threshold = _checks.non_negative("threshold", threshold)
        self._relative = _checks.choice("threshold_mode", threshold_mode, ("rel", "abs")) == "rel"
        self._cooldown = _checks.count("cooldown", cooldown, least=0)
        self._min_lr = _checks.non_negative("min_lr", min_lr)
        self._eps = _checks.non_negative("eps", eps)
        self._best: float | None = None
        self._reductions = self._bad_steps = self._cooldown_left = 0

    def get_lr(self) -> float:
        """The learning rate after the plateaus so far."""
        self._was_read()
        return self._lr_after(self._reductions)

    def set_initial_lr(self, lr: float) -> None:
        """Rescale the schedule to another initial learning rate.

        Raises:
            HyperparameterError: ``lr`` is negative or not finite.
        """
        self._initial_lr = _checks.non_negative("initial_lr", lr)

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether a smaller or a larger metric is better."""
        return self._mode

    def step(self, metric: float) -> None:
        """Take the metric of a step (often an epoch's validation loss) into account.

        Raises:
            HyperparameterError: it is no number.
        """
        try:
            value = float(metric)
        except (TypeError, ValueError):
            raise HyperparameterError(
                f"ReduceLROnPlateau.step needs the metric that it watches, got {metric!r}"
            ) from None
        if self._is_better(value):
            self._best, self._bad_steps = value, 0
        else:
            self._bad_steps += 1
        if self._cooldown_left:
            self._cooldown_left -= 1
            self._bad_steps = 0
        if self._bad_steps > self._patience:
            if self._lr_after(self._reductions) - self._lr_after(self._reductions + 1) > self._eps:
                self._reductions += 1
            self._cooldown_left, self._bad_steps = self._cooldown, 0
        self._stepped()

    def state_dict(self) -> StateDict:
        """The class's name, the initial learning rate, the best metric and three counters."""
        counters = {name: getattr(self, f"_{name}") for name in _COUNTERS}
        return {
            "scheduler": type(self).__name__,
            "initial_lr": self._initial_lr,
            "best": self._best,
            **counters,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where another ReduceLROnPlateau stood.

        Raises:
            OptimizerStateError: ``state`` is of another class or lacks an entry.
        """
        with reading_state(self, state, ("initial_lr", "best", *_COUNTERS)):
            counters = {name: _checks.count(name, state[name], least=0) for name in _COUNTERS}
            lr = _checks.non_negative("initial_lr", state["initial_lr"])
            best = None if state["best"] is None else float(state["best"])
        self._initial_lr, self._best = lr, best
        for name, value in counters.items():
            setattr(self, f"_{name}", value)

    def _lr_after(self, reductions: int) -> float:
        scaled = float(self._initial_lr * self._factor**reductions)
        return max(scaled, min(self._min_lr, self._initial_lr))

    def _is_better(self, value: float) -> bool:
        sign = 1.0 if self._mode == "min" else -1.0
        best = math.inf if self._best is None else sign * self._best
        if math.isinf(best):
            return sign * value < best
        slack = self._threshold * abs(best) if self._relative else self._threshold
        return sign * value < best - slack
