"""Precision, recall and F1, of three counts a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, Tensor, cat, logical_and, where

from ._classes import check_classes, labels, occurrences
from ._metric import Metric

Average: TypeAlias = Literal["micro", "macro", "binary"]


class _PerClass(Metric[float | npt.NDArray[Any]]):
    """Counts for each class how often it is right, predicted, and there."""

    def __init__(
        self,
        classes: int = 2,
        *,
        average: Average | None = "macro",
        zero_division: float = 0.0,
        threshold: float = 0.5,
        axis: int = 1,
        ignore_index: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self._classes = check_classes(self.name, classes)
        if average not in (*get_args(Average), None) or (average == "binary" and classes != 2):
            raise ArgumentError(
                f"{self.name}: average is 'micro', 'macro', 'binary' (of two classes) or None, not "
                f"{average!r} of {classes} classes"
            )
        self._average, self._zero_division = average, zero_division
        self._settings = axis, threshold, ignore_index

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Counts of shape (3, classes): right, predicted, there."""
        predicted, target, counts = labels(
            self.name, output, target, *self._settings, self._classes
        )
        n = self._classes
        predicted, target, counts = (t.reshape(-1) for t in (predicted, target, counts))
        right = logical_and(counts, predicted == target)
        places = cat([target, predicted + n, target + 2 * n])
        is_valid = cat([_inside(target, n), _inside(predicted, n), _inside(target, n)])
        every = cat([right, counts, counts])
        places = where(every, places, 0)
        found = occurrences(self.name, places, every, is_valid, 3 * n)
        return {"counts": found.reshape(3, n)}

    def result(self, totals: Mapping[str, Any]) -> float | npt.NDArray[Any]:
        """The figure, or one a class."""
        right, predicted, there = totals["counts"].astype(np.float64)
        if self._average == "micro":
            return float(self._ratio(right.sum(), predicted.sum(), there.sum()))
        each = self._ratio(right, predicted, there)
        if self._average is None:
            return each
        if self._average == "binary":
            return float(each[1])
        return float(each[(predicted + there) > 0].mean())

    def _ratio(self, right: Any, predicted: Any, there: Any) -> npt.NDArray[Any]:
        above, below = self._fraction(right, predicted, there)
        is_zero = below == 0
        return np.where(is_zero, self._zero_division, above / np.where(is_zero, 1, below))

    def _fraction(self, right: Any, predicted: Any, there: Any) -> tuple[Any, Any]:
        raise NotImplementedError


class Precision(_PerClass):
    """The share of a class's predictions that are right.

    Args:
        classes: How many.
        average: ``"macro"``, the mean over the classes that occur among predictions or targets;
            ``"micro"``, of all counts together; ``"binary"``, that of class 1 of two; or None, an
            array of all classes.
        zero_division: The figure of a class without predictions or targets, where it is 0 / 0.
        threshold: As in :class:`Accuracy`.
        axis: As in :class:`Accuracy`.
        ignore_index: As in :class:`Accuracy`.
        name: As in :class:`Metric`.

    Raises:
        ArgumentError: An option is out of range.

    Example:
        >>> from rumus import tensor
        >>> precision = Precision(average="binary")
        >>> precision.update(tensor.tensor([1, 1, 0]), tensor.tensor([1, 0, 1]))
        >>> precision.compute()
        0.5
    """

    name = "precision"

    def _fraction(self, right: Any, predicted: Any, there: Any) -> tuple[Any, Any]:
        return right, predicted


class Recall(_PerClass):
    """The share of a class's targets that are found.

    Arguments as in :class:`Precision`.

    Example:
        >>> from rumus.tensor import tensor
        >>> recall = Recall(classes=2)
        >>> recall.update(tensor([[2.0, 0.0], [0.0, 1.0]]), tensor([0, 0]))
        >>> recall.compute()
        0.25
    """

    name = "recall"

    def _fraction(self, right: Any, predicted: Any, there: Any) -> tuple[Any, Any]:
        return right, there


class F1(_PerClass):
    """The harmonic mean of precision and recall.

    Arguments as in :class:`Precision`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f1 = F1(classes=2)
        >>> f1.update(tensor([[2.0, 0.0], [0.0, 1.0]]), tensor([0, 0]))
        >>> f"{f1.compute():.4f}"
        '0.3333'
    """

    name = "f1"

    def _fraction(self, right: Any, predicted: Any, there: Any) -> tuple[Any, Any]:
        return 2 * right, predicted + there


def _inside(ids: Tensor, classes: int) -> Tensor:
    return logical_and(ids >= 0, ids < classes)
