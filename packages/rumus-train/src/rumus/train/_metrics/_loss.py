"""The mean loss, and what it means for a language model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from rumus.nn import functional
from rumus.tensor import ArgumentError, Tensor, full, int32, no_grad, tree

from .._exact_sum import Multiple
from ._classes import check_class_axis
from ._metric import Metric


class MeanLoss(Metric[float]):
    """The mean loss of samples: each batch weighs as many samples as it has.

    Args:
        loss: Gives the mean loss of a batch, of output and target. Without it, losses that were
            computed elsewhere are taken in with :meth:`add`.
        name: As in :class:`Metric`.

    Example:
        >>> from rumus import nn, tensor
        >>> loss = MeanLoss(nn.mse_loss)
        >>> loss.update(tensor.ones((3, 1)), tensor.zeros((3, 1)))
        >>> loss.update(tensor.zeros((1, 1)), tensor.zeros((1, 1)))
        >>> loss.compute()
        0.75
    """

    name = "loss"

    def __init__(
        self, loss: Callable[[Any, Any], Tensor] | None = None, *, name: str | None = None
    ) -> None:
        super().__init__(name)
        self._loss = loss

    def measure(self, output: Any, target: Any) -> dict[str, Tensor | Multiple]:
        """The loss of a batch as often as it has samples, and how many these are."""
        if self._loss is None:
            raise ArgumentError(
                f"{self.name} has no loss to compute: MeanLoss(nn.mse_loss), or take in a loss "
                "with add(loss, samples)"
            )
        leaves, _ = tree.flatten(target)
        samples = next(leaf.shape[0] for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim)
        return _weighted(self._loss(output, target), samples)

    def add(self, loss: Tensor, samples: int) -> None:
        """Take in the mean loss of so many samples, of shape ``()``; nothing waits for it."""
        with no_grad():
            self._add(_weighted(loss.detach(), samples))

    def result(self, totals: Mapping[str, Any]) -> float:
        """The mean."""
        return float(totals["loss"] / totals["samples"])


class Perplexity(Metric[float]):
    """``exp`` of the mean cross-entropy of the tokens.

    Args:
        axis: The class axis of the logits; -1 for logits of shape (batch, tokens, vocabulary).
        ignore_index: The id of targets that do not count, such as padding.
        name: As in :class:`Metric`.

    Example:
        >>> from rumus.tensor import tensor
        >>> perplexity = Perplexity()
        >>> perplexity.update(tensor([[0.0, 0.0]]), tensor([1]))
        >>> f"{perplexity.compute():.4f}"
        '2.0000'
    """

    name = "perplexity"

    def __init__(self, *, axis: int = 1, ignore_index: int = -100, name: str | None = None) -> None:
        super().__init__(name)
        self._axis, self._ignored = axis, ignore_index

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The sum of the losses, and the tokens that count."""
        check_class_axis(self.name, output, target, self._axis)
        logits = output.movedim(self._axis, 1) if self._axis != 1 else output
        loss = functional.cross_entropy(logits, target, ignore_index=self._ignored, reduction="sum")
        return {"loss": loss, "tokens": (target != self._ignored).sum()}

    def result(self, totals: Mapping[str, Any]) -> float:
        """The exponential; infinite where it exceeds a float."""
        try:
            return math.exp(totals["loss"] / totals["tokens"])
        except OverflowError:
            return math.inf


def _weighted(loss: Tensor, samples: int) -> dict[str, Tensor | Multiple]:
    count = full((), samples, dtype=int32, device=loss.device)
    return {"loss": Multiple(loss, samples), "samples": count}
