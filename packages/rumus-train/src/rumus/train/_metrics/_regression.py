"""Errors of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rumus.tensor import ShapeError, Tensor, float32, full, int32

from .._exact_sum import ExactSum, Multiple, Product
from ._metric import Metric
from ._totals import Totals


class MAE(Metric[float]):
    """The mean absolute error of all numbers.

    Example:
        >>> from rumus import tensor
        >>> mae = MAE()
        >>> mae.update(tensor.tensor([1.0, 2.0]), tensor.tensor([1.0, 4.0]))
        >>> mae.compute()
        1.0
    """

    name = "mae"

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The sum of the absolute errors, and how many there are."""
        error = _error(self.name, output, target)
        return {"error": error.abs().sum(), "count": _count(error)}

    def result(self, totals: Mapping[str, Any]) -> float:
        """The mean."""
        return float(totals["error"] / totals["count"])


class MSE(Metric[float]):
    """The mean squared error of all numbers.

    Example:
        >>> from rumus.tensor import tensor
        >>> mse = MSE()
        >>> mse.update(tensor([1.0, 3.0]), tensor([1.0, 1.0]))
        >>> mse.compute()
        2.0
    """

    name = "mse"

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The sum of the squared errors, and how many there are."""
        error = _error(self.name, output, target)
        return {"error": error.square().sum(), "count": _count(error)}

    def result(self, totals: Mapping[str, Any]) -> float:
        """The mean."""
        return float(totals["error"] / totals["count"])


class RMSE(MSE):
    """The root of the mean squared error of all numbers.

    Example:
        >>> from rumus.tensor import tensor
        >>> rmse = RMSE()
        >>> rmse.update(tensor([0.0, 2.0]), tensor([2.0, 0.0]))
        >>> rmse.compute()
        2.0
    """

    name = "rmse"

    def result(self, totals: Mapping[str, Any]) -> float:
        """The root of the mean."""
        return math.sqrt(super().result(totals))


class R2(Metric[float]):
    """The coefficient of determination of all numbers: ``1 - Σ(y - ŷ)² / Σ(y - mean(y))²``.

    Targets are summed as distances from the mean of their batch, and the rest is computed exactly,
    so that a large mean costs no digits. Where all targets are equal it is 1 for predictions
    without error and else 0, as in scikit-learn. A GPU that takes subnormal numbers for 0, as those
    of NVIDIA do, takes targets and distances below 1e-38 for 0 here, too.

    Example:
        >>> from rumus.tensor import tensor
        >>> r2 = R2()
        >>> r2.update(tensor([1.0, 2.0]), tensor([1.0, 2.0]))
        >>> r2.compute()
        1.0
    """

    name = "r2"

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor | Multiple | Product]:
        """Sums of the squared errors, of the targets and of their squares.

        With the mean c of the n targets y of a batch, and d = y - c, the sum of the targets is
        ``Σd + n c``, and that of their squares ``Σd² + 2c Σd + n c²``.
        """
        error = _error(self.name, output, target)
        target = target.to(float32)
        c, n = target.mean(), target.size
        distance = target - c
        d = distance.sum()
        return {
            "error": error.square().sum(),
            "distance": d,
            "shift": Multiple(c, n),
            "square": distance.square().sum(),
            "cross": Product(c, d, 2),
            "shift_square": Product(c, c, n),
            "count": _count(error),
        }

    def _computed(self, totals: Totals) -> float:
        if not totals:
            return super()._computed(totals)
        error = _sum(totals, "error")
        whole = _sum(totals, "distance", "shift")
        squares = _sum(totals, "square", "cross", "shift_square")
        count = int(totals["count"])  # type: ignore[arg-type]
        if error.special or whole.special or squares.special:
            return math.nan
        spread = squares.finite - whole.finite**2 / count
        if spread <= 0:
            return 0.0 if error.finite else 1.0
        return float(1 - error.finite / spread)


def _sum(totals: Totals, *names: str) -> ExactSum:
    """The sum of some sums."""
    result = ExactSum()
    for name in names:
        value = totals[name]
        assert isinstance(value, ExactSum)
        result = result.plus(value)
    return result


def _error(name: str, output: Tensor, target: Tensor) -> Tensor:
    if output.shape != target.shape:
        raise ShapeError(
            f"{name}: output of shape {output.shape} and target of shape {target.shape}; both need "
            "one shape"
        )
    return output.to(float32) - target.to(float32)


def _count(x: Tensor) -> Tensor:
    return full((), x.size, dtype=int32, device=x.device)
