"""Which checkpoints stay: pure functions of what is there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rumus.tensor import ArgumentError

from ._mode import Mode, mode_of
from ._progress import Progress
from ._warn import warn


@dataclass(frozen=True)
class Saved:
    """A checkpoint that is there.

    Attributes:
        name: Of its folder.
        progress: Where it was taken.
        metrics: The run's metrics then.

    Example:
        >>> from rumus.train import Progress
        >>> Saved("step-10", Progress(step=10), {"val_loss": 0.5}).name
        'step-10'
    """

    name: str
    progress: Progress
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)


class Keep:
    """A policy: from what is saved, oldest first, what stays. Policies are joined with ``+``.

    The newest checkpoint stays whatever a policy says.

    Args:
        chosen: The function.

    Example:
        >>> saved = [Saved(f"step-{n}", Progress(step=n), {"val_loss": 9.0 - n}) for n in range(5)]
        >>> [s.name for s in (KeepLast(1) + KeepEvery(2))(saved)]
        ['step-0', 'step-2', 'step-4']
    """

    def __init__(self, chosen: Callable[[Sequence[Saved]], Sequence[Saved]]) -> None:
        self._chosen = chosen

    def __call__(self, saved: Sequence[Saved]) -> list[Saved]:
        """What stays, in order."""
        names = {s.name for s in self._chosen(saved)} | {s.name for s in saved[-1:]}
        return [s for s in saved if s.name in names]

    def __add__(self, other: Keep) -> Keep:
        if not isinstance(other, Keep):
            return NotImplemented
        return Keep(lambda saved: [*self(saved), *other(saved)])


class KeepLast(Keep):
    """The latest ``n``.

    Raises:
        ArgumentError: ``n`` is below 1.

    Example:
        >>> from rumus.train import Progress
        >>> saved = [Saved(f"step-{n}", Progress(n), {"val_loss": 1 / n}) for n in (10, 20, 30)]
        >>> [kept.name for kept in KeepLast(2)(saved)]
        ['step-20', 'step-30']
    """

    def __init__(self, n: int) -> None:
        _check_count("n", n)
        super().__init__(lambda saved: saved[-n:])


class KeepEvery(Keep):
    """Those whose step is a multiple of ``steps``.

    Raises:
        ArgumentError: ``steps`` is below 1.

    Example:
        >>> from rumus.train import Progress
        >>> saved = [Saved(f"step-{n}", Progress(n), {"val_loss": 1 / n}) for n in (10, 20, 30)]
        >>> [kept.name for kept in KeepEvery(20)(saved)]
        ['step-20', 'step-30']
    """

    def __init__(self, steps: int) -> None:
        _check_count("steps", steps)
        super().__init__(lambda saved: [s for s in saved if s.progress.step % steps == 0])


class KeepBest(Keep):
    """The ``n`` best by a metric, of equal ones the older; without it, or with NaN, none is.

    A checkpoint's value is that of the last validation before it: validate when you save, as by
    default at each epoch's end, so that it is that of its weights. ``load_checkpoint(path,
    best="val_loss")`` reads the best.

    With one, it is what Keras's ``save_best_only`` and Lightning's ``save_top_k=1`` keep. With
    several, of equal ones Lightning may drop the older; and it fills up with NaN.

    Args:
        metric: A name in the run's metrics, such as ``"val_loss"``.
        n: How many.
        mode: Whether ``"min"``, a smaller one, is better, or ``"max"``. By default ``"max"`` for
            this package's metrics of which more is better, as ``"val_accuracy"``, and else
            ``"min"``: for one of your own say it.

    Raises:
        ArgumentError: An argument is outside its range.

    Example:
        >>> from rumus.train import Progress
        >>> saved = [Saved(f"step-{n}", Progress(n), {"val_loss": 1 / n}) for n in (10, 20, 30)]
        >>> [kept.name for kept in KeepBest("val_loss")(saved)]
        ['step-30']
    """

    def __init__(self, metric: str, n: int = 1, mode: Mode | None = None) -> None:
        _check_count("n", n)
        mode = mode_of(metric, mode)

        def best(saved: Sequence[Saved]) -> list[Saved]:
            _say_if_unknown(metric, saved)
            return ranked(saved, metric, mode)[:n]

        super().__init__(best)


def ranked(saved: Sequence[Saved], metric: str, mode: Mode) -> list[Saved]:
    """Those with a value of the metric, the best first, and of equal ones the older."""
    sign = 1 if mode == "min" else -1
    known = [s for s in saved if not math.isnan(s.metrics.get(metric, math.nan))]
    return sorted(known, key=lambda s: sign * s.metrics[metric])


def _check_count(name: str, value: object) -> None:
    if type(value) is not int or value < 1:
        raise ArgumentError(f"{name} is a whole number from 1, not {value!r}")


def _say_if_unknown(metric: str, saved: Sequence[Saved]) -> None:
    """Warn if values of the metric's kind are there, and it is not among them."""
    kind = "val_" if metric.startswith("val_") else ""
    there = {name for s in saved for name in s.metrics if name.startswith(kind)}
    if there and metric not in there:
        warn(f"KeepBest({metric!r}) keeps nothing: the checkpoints have {', '.join(sorted(there))}")
