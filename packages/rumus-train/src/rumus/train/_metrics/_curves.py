"""Areas under curves over all thresholds, by histogram."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, ShapeError, Tensor, float32, int32, logical_and

from ._classes import occurrences
from ._metric import Metric

Counts = npt.NDArray[Any]


class _ByScore(Metric[float]):
    """Counts the scores of negatives and of positives in bins from 0 to 1."""

    def __init__(self, *, bins: int = 4096, logits: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(bins, int) or not 2 <= bins <= 1 << 20:
            raise ArgumentError(f"{self.name}: bins is a whole number from 2 to 2^20, not {bins!r}")
        self._bins, self._logits = bins, logits

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Counts of shape (2, bins): of negatives and of positives, scores in ascending order."""
        if output.shape != target.shape:
            raise ShapeError(
                f"{self.name}: scores of shape {output.shape} and targets of shape {target.shape}; "
                "one score in [0, 1] for each target of 0 or 1"
            )
        scores = output.to(float32)
        scores = scores.sigmoid() if self._logits else scores
        ids, bins = target.to(int32), self._bins
        inside = logical_and(scores >= 0.0, scores <= 1.0)
        inside = logical_and(inside, logical_and(ids >= 0, ids <= 1))
        place = (scores.clip(0.0, 1.0) * float(bins)).to(int32).clip(0, bins - 1)
        places = ids * bins + place
        found = occurrences(self.name, places, ids == ids, inside, 2 * bins)
        return {"counts": found.reshape(2, bins)}

    def bounds(self) -> tuple[float, float]:
        """Between what the figure would be, were scores told apart within bins.

        Waits for the device.
        """
        self.compute()
        return self._bounds(*_descending(self.state_dict()["counts"]["counts"]))

    def result(self, totals: Mapping[str, Any]) -> float:
        """The area, with the scores of a bin taken for equal; NaN if a class has no target."""
        negatives, positives = _descending(totals["counts"])
        if not (negatives.any() and positives.any()):
            return math.nan
        return self._area(negatives, positives)

    def _area(self, negatives: Counts, positives: Counts) -> float:
        raise NotImplementedError

    def _bounds(self, negatives: Counts, positives: Counts) -> tuple[float, float]:
        raise NotImplementedError


class ROCAUC(_ByScore):
    """The area under the ROC curve: how often a positive has a higher score than a negative.

    Scores are counted in bins of width ``1 / bins``, and those of a bin are taken for equal. That
    changes the area by at most half the share of the pairs of a positive and a negative that meet
    in a bin; :meth:`bounds` gives both ends.

    Args:
        bins: How many.
        logits: Whether outputs are logits, of which the sigmoid is taken.
        name: As in :class:`Metric`.

    Example:
        >>> from rumus import tensor
        >>> auc = ROCAUC()
        >>> auc.update(tensor.tensor([0.1, 0.4, 0.35, 0.8]), tensor.tensor([0, 0, 1, 1]))
        >>> auc.compute()
        0.75
    """

    name = "roc_auc"

    def _area(self, negatives: Counts, positives: Counts) -> float:
        below = negatives.sum() - np.cumsum(negatives)
        wins = (positives * (below + negatives / 2)).sum()
        return float(wins / (positives.sum() * negatives.sum()))

    def _bounds(self, negatives: Counts, positives: Counts) -> tuple[float, float]:
        area = self._area(negatives, positives)
        half = float((positives * negatives).sum() / (positives.sum() * negatives.sum()) / 2)
        return area - half, area + half


class AveragePrecision(_ByScore):
    """The mean precision over the thresholds at which a positive is found.

    Scores are counted in bins of width ``1 / bins``, and those of a bin are taken for equal;
    :meth:`bounds` says between what values the figure would be otherwise.

    Args:
        bins: How many.
        logits: Whether outputs are logits, of which the sigmoid is taken.
        name: As in :class:`Metric`.

    Example:
        >>> from rumus.tensor import tensor
        >>> precision = AveragePrecision()
        >>> precision.update(tensor([0.9, 0.1]), tensor([1, 0]))
        >>> precision.compute()
        1.0
    """

    name = "average_precision"

    def _area(self, negatives: Counts, positives: Counts) -> float:
        found, false = np.cumsum(positives), np.cumsum(negatives)
        return _mean_precision(positives, found, false)

    def _bounds(self, negatives: Counts, positives: Counts) -> tuple[float, float]:
        found, false = np.cumsum(positives), np.cumsum(negatives)
        # All negatives of a bin before its positives, or behind them. Precision grows with each
        # positive, so the first and the last of a bin bound those between.
        worst = _mean_precision(positives, found - positives + 1, false)
        best = _mean_precision(positives, found, false - negatives)
        return worst, best


def _descending(counts: Counts) -> tuple[Counts, Counts]:
    """Negatives and positives of each bin, the highest scores first."""
    negatives, positives = counts.astype(np.float64)[:, ::-1]
    return negatives, positives


def _mean_precision(positives: Counts, found: Counts, false: Counts) -> float:
    precision = found / np.maximum(found + false, 1)
    return float((positives * precision).sum() / positives.sum())
