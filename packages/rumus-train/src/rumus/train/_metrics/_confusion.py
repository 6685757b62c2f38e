"""Which class is taken for which."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, Tensor, logical_and

from .._extras import matplotlib_figure
from ._classes import check_classes, labels, occurrences
from ._metric import Metric, V


class _Pairs(Metric[V]):
    """Counts each pair of target and prediction."""

    def __init__(
        self,
        classes: int,
        *,
        threshold: float = 0.5,
        axis: int = 1,
        ignore_index: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self._classes = check_classes(self.name, classes)
        self._settings = axis, threshold, ignore_index

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Counts of shape (classes, classes): target, prediction."""
        predicted, target, counts = labels(
            self.name, output, target, *self._settings, self._classes
        )
        n = self._classes
        inside = logical_and(logical_and(target >= 0, target < n), predicted < n)
        inside = logical_and(inside, predicted >= 0)
        found = occurrences(self.name, target * n + predicted, counts, inside, n * n)
        return {"pairs": found.reshape(n, n)}


class ConfusionMatrix(_Pairs[npt.NDArray[Any]]):
    """How often samples of class i are taken for class j, as an int64 array of [i, j].

    Args:
        classes: How many.
        threshold: As in :class:`Accuracy`.
        axis: As in :class:`Accuracy`.
        ignore_index: As in :class:`Accuracy`.
        name: As in :class:`Metric`.

    Example:
        >>> from rumus import tensor
        >>> matrix = ConfusionMatrix(2)
        >>> matrix.update(tensor.tensor([0, 1, 1]), tensor.tensor([0, 0, 1]))
        >>> matrix.compute().tolist()
        [[1, 1], [0, 1]]
    """

    name = "confusion_matrix"

    def result(self, totals: Mapping[str, Any]) -> npt.NDArray[Any]:
        """The counts."""
        pairs: npt.NDArray[Any] = totals["pairs"]
        return pairs

    def plot(self, labels: Sequence[str] | None = None) -> Any:
        """A picture of the matrix: shares of each target's row, with the counts on them.

        Needs the extra ``rumus-train[plots]``.

        Args:
            labels: Names of the classes.

        Returns:
            A matplotlib ``Figure``; ``figure.savefig("confusion.png")`` writes it.

        Raises:
            ArgumentError: There are not as many names as classes.
            MissingExtraError: matplotlib is not installed.
        """
        n = self._classes
        if isinstance(labels, (str, os.PathLike)):
            raise ArgumentError(
                f"{self.name}: plot takes the names of the classes, not {os.fspath(labels)!r}; "
                "plot().savefig(path) writes the picture"
            )
        if labels is not None and len(labels) != n:
            raise ArgumentError(f"{self.name}: {len(labels)} names for {n} classes")
        pairs = self.compute()
        figure = matplotlib_figure(min(4 + 0.4 * n, 16), min(3.5 + 0.4 * n, 15))
        axes = figure.add_subplot()
        shares = pairs / np.maximum(pairs.sum(1, keepdims=True), 1)
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(image, label="share of the target's samples")
        axes.set(xlabel="predicted", ylabel="target")
        if n <= 30:
            names = list(labels) if labels is not None else [str(k) for k in range(n)]
            axes.set_xticks(range(n), names, rotation=90 if max(map(len, names)) > 3 else 0)
            axes.set_yticks(range(n), names)
        if n <= 20:
            for (row, column), count in np.ndenumerate(pairs):
                color = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=color)
        return figure


class MeanIoU(_Pairs[float]):
    """The mean over classes of intersection over union, of those that occur.

    Args:
        classes: How many.
        threshold: As in :class:`Accuracy`.
        axis: As in :class:`Accuracy`.
        ignore_index: As in :class:`Accuracy`, such as 255 for the border of objects.
        name: As in :class:`Metric`.

    Example:
        >>> from rumus.tensor import tensor
        >>> iou = MeanIoU(2)
        >>> iou.update(tensor([[2.0, 0.0], [0.0, 1.0]]), tensor([0, 1]))
        >>> iou.compute()
        1.0
    """

    name = "mean_iou"

    def result(self, totals: Mapping[str, Any]) -> float:
        """The mean."""
        pairs = totals["pairs"].astype(np.float64)
        both = np.diagonal(pairs)
        union = pairs.sum(0) + pairs.sum(1) - both
        occurs = union > 0
        return float((both[occurs] / union[occurs]).mean())
