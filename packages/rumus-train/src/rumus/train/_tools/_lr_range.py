"""The learning-rate range test."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rumus.nn import Module
from rumus.tensor import ArgumentError, Tensor

from .._errors import EmptyEpochError
from .._extras import matplotlib_figure
from ._snapshot import TunedOptimizer, unchanged

_SMOOTHING = 0.9
_UNSETTLED = 10
"""Steps until the average is one of as many losses as its weights last for."""
_DIVERGED = 4.0
"""Times the lowest loss, at which the test ends."""


@dataclass(frozen=True, repr=False)
class LrRange:
    """Losses by learning rate.

    Attributes:
        rates: The learning rate of each step.
        losses: The loss of each step, before it was taken.
        smoothed: Their average, of which recent steps weigh more.

    Example:
        >>> from rumus import nn, tensor
        >>> from rumus.optim import SGD
        >>> from rumus.train import lr_range_test
        >>> model, x = nn.Linear(2, 1), tensor.ones(4, 2)
        >>> optimizer = SGD(model.parameters(), lr=0.1)
        >>> found = lr_range_test(model, optimizer, [x], lambda x: model(x).square().mean())
        >>> len(found.rates) == len(found.losses)
        True
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]

    @property
    def suggestion(self) -> float:
        """The rate at which the smoothed loss falls fastest; NaN if it never falls.

        Where the loss begins to fall for good, a tenth of the way down, is the first to be looked
        at: before, the smoothed loss of few batches falls and rises by chance.
        """
        if len(self.rates) < 3:
            return math.nan
        smoothed, end = np.array(self.smoothed), self._lowest
        begin = min(_UNSETTLED, len(smoothed) // 4)
        high, low = smoothed[begin], smoothed[end - 1]
        begin += int(np.flatnonzero(smoothed[begin:end] >= high - 0.1 * (high - low))[-1])
        slopes = np.gradient(smoothed, np.log(np.array(self.rates)))[begin:end]
        steepest = int(np.argmin(slopes))
        return self.rates[begin + steepest] if slopes[steepest] < 0 else math.nan

    @property
    def _lowest(self) -> int:
        """The steps up to that of the lowest smoothed loss."""
        begin = min(_UNSETTLED, len(self.smoothed) // 4)
        return begin + int(np.argmin(self.smoothed[begin:])) + 1

    def __repr__(self) -> str:
        rates = f"{self.rates[0]:.3g} to {self.rates[-1]:.3g}" if self.rates else "no rates"
        return f"LrRange({rates} in {len(self.rates)} steps, suggestion={self.suggestion:.3g})"

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """A picture of the losses; needs the extra ``rumus-train[plots]``.

        Args:
            path: Where a PNG of it is written, if anywhere.

        Returns:
            A matplotlib ``Figure``.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        figure = matplotlib_figure(6.4, 4.2)
        axes = figure.add_subplot()
        axes.plot(self.rates, self.losses, color="C0", alpha=0.3, label="loss")
        axes.plot(self.rates, self.smoothed, color="C0", label="smoothed")
        if math.isfinite(self.suggestion):
            label = f"falls fastest at {self.suggestion:.2g}"
            axes.axvline(self.suggestion, color="C1", linestyle="--", label=label)
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
        if self.losses:  # where it diverges, the curve leaves the picture
            low, high = min(self.losses), max(self.smoothed[: self._lowest])
            room = 0.1 * (high - low) or 1.0
            axes.set_ylim(low - room, high + 3 * room)
        axes.grid(alpha=0.3)
        axes.legend()
        if path is not None:
            figure.savefig(path, format="png")
        return figure


def lr_range_test(
    model: Module,
    optimizer: TunedOptimizer,
    batches: Iterable[Any],
    loss: Callable[[Any], Tensor],
    *,
    first: float = 1e-7,
    last: float = 10.0,
    steps: int = 100,
) -> LrRange:
    """Train with a learning rate that grows at each step, and see where the loss falls.

    It ends early where the loss diverges. Model, optimizer, random stream and loader are then
    as before.

    Source: Smith, arXiv:1506.01186.

    Args:
        model: Trained from its present weights.
        optimizer: Of its parameters.
        batches: Gone through again if there are fewer than steps: a loader, or a list.
        loss: Gives the loss of a batch.
        first: The lowest rate.
        last: The highest rate.
        steps: At most.

    Raises:
        ArgumentError: The rates are not positive and ascending, or there are fewer than 3 steps.
        EmptyEpochError: There are no batches.

    Example:
        >>> from rumus import nn, tensor
        >>> from rumus.optim import SGD
        >>> model, x = nn.Linear(2, 1), tensor.ones((4, 2))
        >>> found = lr_range_test(
        ...     model, SGD(model.parameters(), lr=0.1), [x], lambda x: model(x).square().mean()
        ... )
        >>> 1e-7 < found.suggestion < 10
        True
    """
    if not 0 < first < last < math.inf or steps < 3:
        raise ArgumentError(
            f"rates are positive and ascending, in at least 3 steps, not {first} to {last} in "
            f"{steps}"
        )
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    average = 0.0
    with unchanged(model, optimizer, batches):
        for k, batch in zip(range(steps), _again(batches), strict=False):
            rate = first * (last / first) ** (k / (steps - 1))
            optimizer.set_lr(rate)
            found = loss(batch)
            value = found.item()
            if not math.isfinite(value):
                break
            average = _SMOOTHING * average + (1 - _SMOOTHING) * value
            rates.append(rate)
            losses.append(value)
            smoothed.append(average / (1 - _SMOOTHING ** (k + 1)))
            if k > 10 and smoothed[-1] > _DIVERGED * abs(min(smoothed)):
                break
            optimizer.step(found.backward())
    return LrRange(rates, losses, smoothed)


def _again(batches: Iterable[Any]) -> Iterable[Any]:
    while True:
        was_empty = True
        for batch in batches:
            was_empty = False
            yield batch
        if was_empty:
            raise EmptyEpochError(
                "there is no batch, or no second pass over them: give a loader or a list"
            )
