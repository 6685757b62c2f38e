"""Early stopping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rumus.tensor import ArgumentError, Tensor, empty_like, no_grad

from .._mode import Mode, mode_of
from .._run import Run


class EarlyStopping:
    """Stops a run when a metric has stopped getting better.

    A validation, or an epoch where there is none, is better if its value beats the best one so far
    by more than ``threshold``; NaN never does. After ``patience`` in a row that are not the run
    stops; 0 and 1 both mean at the first.

    These are the decisions of Keras's callback of this name and, but for a NaN, of Lightning's:
    ``threshold`` is their ``min_delta``, and as there a difference, no share of the value. What
    they do otherwise: with a NaN Lightning stops at once, unless it has ``check_finite=False``, and
    for Keras a NaN in the first epoch is the best value for ever. There is no ``baseline`` and no
    ``start_from_epoch``: a callback of your own that calls ``run.stop(reason)`` does both.

    Args:
        metric: A name in ``run.metrics``, such as ``"val_loss"`` (default).
        patience: How many in a row may not be better, at least 0 (default 3).
        threshold: How much better counts, at least 0.
        mode: Whether a smaller value is better (``"min"``) or a larger one (``"max"``). By default
            ``"max"`` for this package's metrics of which more is better, as ``"val_accuracy"``, and
            else ``"min"``: for one of your own say it.
        restore_best: Whether the model gets the best one's weights back at the end of a run.

    Raises:
        ArgumentError: An argument is outside its range; or, in a run, there is no such metric.

    Example:
        >>> EarlyStopping("val_accuracy", patience=5).patience
        5
    """

    metric: str
    patience: int
    threshold: float
    waited: int
    stopped: bool

    def __init__(
        self,
        metric: str = "val_loss",
        patience: int = 3,
        threshold: float = 0.0,
        mode: Mode | None = None,
        restore_best: bool = False,
    ) -> None:
        if type(patience) is not int or patience < 0:
            raise ArgumentError(f"patience is a whole number from 0, not {patience!r}")
        if not threshold >= 0:
            raise ArgumentError(f"threshold is at least 0, not {threshold!r}")
        self.metric, self.patience, self.threshold = metric, patience, threshold
        self._sign = 1.0 if mode_of(metric, mode) == "min" else -1.0
        self._restores = restore_best
        self._weights: dict[str, Tensor] = {}
        self._seen = False
        self.best: float | None = None
        self.waited = 0
        self.stopped = False

    def on_fit_start(self, run: Run) -> None:
        """A run that was stopped stays so when it is resumed."""
        if self.stopped:
            run.stop(self._reason())

    def on_validation_end(self, run: Run) -> None:
        """Look at the metric of a validation."""
        if self.metric.startswith("val_"):
            self._look(run)

    def on_epoch_end(self, run: Run) -> None:
        """Look at a metric of the epoch."""
        if not self.metric.startswith("val_"):
            self._look(run)
        elif not self._seen and run.validation is None:
            self._look(run)

    def on_fit_end(self, run: Run) -> None:
        """Give the best weights back."""
        if self._restores and self._weights:
            run.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """The best value, how long ago it was, and its weights if they are kept."""
        return {
            "best": self.best,
            "waited": self.waited,
            "stopped": self.stopped,
            "weights": dict(self._weights),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another one was."""
        self.best, self.waited, self.stopped = state["best"], state["waited"], state["stopped"]
        self._weights = {
            name: value if isinstance(value, Tensor) else Tensor(value)
            for name, value in state["weights"].items()
        }

    def _look(self, run: Run) -> None:
        if self.metric not in run.metrics:
            raise ArgumentError(
                f"EarlyStopping watches {self.metric!r}, and the run has "
                f"{', '.join(run.metrics) or 'no metrics'}; validate= gives those of a validation"
            )
        self._seen = True
        value = float(run.metrics[self.metric])
        best = math.inf if self.best is None else self._sign * self.best
        if self._sign * value + self.threshold < best:
            self.best, self.waited = value, 0
            if self._restores:
                state = run.model.state_dict()
                self._weights = {name: _copy(value) for name, value in state.items()}
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped = True
            run.stop(self._reason())

    def _reason(self) -> str:
        return f"{self.metric} was not better than {self.best} for {self.waited} times"


def _copy(value: Tensor) -> Tensor:
    with no_grad():
        return empty_like(value).copy_(value)
