"""How often the class is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rumus.tensor import (
    ArgumentError,
    ShapeError,
    Tensor,
    arange,
    int32,
    logical_and,
    take_along_axis,
    where,
)

from ._classes import check_class_axis, labels, which
from ._metric import Metric


class Accuracy(Metric[float]):
    """The share of predictions that are the target's class.

    Args:
        threshold: Where outputs are floats of the target's shape, for two classes: what they exceed
            in class 1. 0.5 for probabilities, 0 for logits.
        axis: The class axis of outputs that have one, as in the losses.
        ignore_index: The class id of targets that do not count.
        name: As in :class:`Metric`.

    Example:
        >>> from rumus import tensor
        >>> accuracy = Accuracy()
        >>> accuracy.update(tensor.tensor([[0.1, 0.9], [0.8, 0.2]]), tensor.tensor([1, 1]))
        >>> accuracy.compute()
        0.5
    """

    name = "accuracy"

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        axis: int = 1,
        ignore_index: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self._settings = axis, threshold, ignore_index

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """How many are right, and how many there are."""
        found = labels(self.name, output, target, *self._settings)
        right = logical_and(found.predicted == found.target, found.counts)
        return {"right": right.sum(), "count": found.counts.sum()}

    def result(self, totals: Mapping[str, Any]) -> float:
        """The share."""
        return float(totals["right"] / totals["count"])


class TopK(Metric[float]):
    """The share of targets that are among the k classes with the highest scores.

    Of equal scores the lower class comes first, so that k = 1 is :class:`Accuracy`.

    Args:
        k: How many classes.
        axis: The class axis.
        ignore_index: The class id of targets that do not count.
        name: As in :class:`Metric`; by default ``top5`` for k = 5.

    Example:
        >>> from rumus.tensor import tensor
        >>> top = TopK(2)
        >>> top.update(tensor([[0.5, 0.3, 0.2]]), tensor([1]))
        >>> top.compute()
        1.0
    """

    def __init__(
        self, k: int = 5, *, axis: int = 1, ignore_index: int | None = None, name: str | None = None
    ) -> None:
        if not isinstance(k, int) or k < 1:
            raise ArgumentError(f"TopK: k is a whole number from 1, not {k!r}")
        super().__init__(name or f"top{k}")
        self._k, self._axis, self._ignored = k, axis, ignore_index

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """How many have fewer than k classes before them, and how many there are."""
        check_class_axis(self.name, output, target, self._axis)
        if self._k > output.shape[self._axis]:
            raise ShapeError(
                f"{self.name}: an output of shape {output.shape} has scores of "
                f"{output.shape[self._axis]} classes along axis {self._axis}, all of which are "
                f"among the best {self._k}; give a smaller k"
            )
        target, counts = which(target, self._ignored)
        place = where(counts, target, 0).unsqueeze(self._axis)
        scores = output.movedim(self._axis, -1)
        own = take_along_axis(output, place, self._axis).movedim(self._axis, -1)
        before = (scores > own).to(int32).sum(-1) + self._ties(scores, own, place)
        hit = logical_and(before < self._k, counts)
        return {"hits": hit.sum(), "count": counts.sum()}

    def _ties(self, scores: Tensor, own: Tensor, place: Tensor) -> Tensor:
        """How many lower classes have the target's score."""
        classes = arange(scores.shape[-1], dtype=int32, device=scores.device)
        is_lower = classes < place.movedim(self._axis, -1)
        return logical_and(scores == own, is_lower).sum(-1)

    def result(self, totals: Mapping[str, Any]) -> float:
        """The share."""
        return float(totals["hits"] / totals["count"])
