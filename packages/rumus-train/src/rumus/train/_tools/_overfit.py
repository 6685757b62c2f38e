"""Whether a model can learn one batch by heart, which one without mistakes can."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rumus.nn import Module
from rumus.tensor import ArgumentError, Tensor

from ._snapshot import TunedOptimizer, unchanged


@dataclass(frozen=True)
class OverfitReport:
    """What came of training on one batch.

    Attributes:
        losses: Of each step, before it was taken.
        passed: Whether the loss fell as far as was asked for.
        advice: What it means, in words.

    Example:
        >>> OverfitReport([1.0, 0.01], True, "the model can learn this batch").passed
        True
    """

    losses: list[float]
    passed: bool
    advice: str

    def __str__(self) -> str:
        first, last = self.losses[0], self.losses[-1]
        return f"loss {first:.4g} to {last:.4g} in {len(self.losses)} steps: {self.advice}"


def overfit_one_batch(
    model: Module,
    optimizer: TunedOptimizer,
    loss: Callable[[Any], Tensor],
    batch: Any,
    *,
    steps: int = 200,
    fraction: float = 0.05,
) -> OverfitReport:
    """Train on one batch again and again; a model and a loss that fit each other bring it near 0.

    Model, optimizer and random stream are then as before.

    Args:
        model: Trained from its present weights.
        optimizer: Of its parameters.
        loss: Gives the loss of the batch.
        batch: A few samples, with targets that differ.
        steps: At most.
        fraction: Of the first loss, which the loss has to reach.

    Raises:
        ArgumentError: There are no steps.
        MissingGradError: A parameter has no part in the loss.

    Example:
        >>> from rumus import nn, tensor
        >>> from rumus.optim import SGD
        >>> model, x = nn.Linear(2, 1), tensor.ones((4, 2))
        >>> optimizer = SGD(model.parameters(), lr=0.1)
        >>> def loss(x):
        ...     return (model(x) - 1.0).square().mean()
        >>> overfit_one_batch(model, optimizer, loss, x).passed
        True
    """
    if steps < 1:
        raise ArgumentError(f"steps is a whole number from 1, not {steps}")
    losses: list[float] = []
    with unchanged(model, optimizer):
        for _ in range(steps):
            found = loss(batch)
            losses.append(found.item())
            if not math.isfinite(losses[-1]) or losses[-1] <= fraction * losses[0]:
                break
            optimizer.step(found.backward())
    passed = losses[-1] <= fraction * losses[0]
    return OverfitReport(losses, passed, _advice(losses, passed))


def _advice(losses: list[float], passed: bool) -> str:
    first, last = losses[0], losses[-1]
    if not math.isfinite(first):
        return "the first loss is not finite: look at the inputs for NaN, and at their scale"
    if passed:
        return "the model can learn this batch"
    if not math.isfinite(last):
        return "training diverged: lower the learning rate, or clip the gradients"
    if last == first:
        return "the loss does not change: do all weights get gradients, and is the rate above 0?"
    if last > first:
        return "the loss grew: lower the learning rate, and check its sign"
    return (
        "the loss falls, but not far enough: take more steps or a higher rate; without dropout; if "
        "that is no help, check that targets belong to their inputs"
    )
