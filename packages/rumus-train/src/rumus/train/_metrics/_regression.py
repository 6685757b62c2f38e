"""Errors of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from rumus import gpu
from rumus.tensor import Device, ShapeError, Tensor, float32, full, int32, where, zeros

from .._exact_sum import ExactSum
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

    Targets are summed as distances from the first batch's mean, and the rest is computed exactly,
    so that a large mean costs no digits. Where all targets are equal it is 1 for predictions
    without error and else 0, as in scikit-learn. Several processes take the mean of their own first
    batch each, so that the last digits depend on how many there are.

    Example:
        >>> from rumus.tensor import tensor
        >>> r2 = R2()
        >>> r2.update(tensor([1.0, 2.0]), tensor([1.0, 2.0]))
        >>> r2.compute()
        1.0
    """

    name = "r2"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self._shifts: dict[Device, Tensor] = {}
        """Whether a device has a shift, and the shift."""

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Sums of the squared errors, of the distances from the shift and of their squares."""
        error = _error(self.name, output, target)
        target = target.to(float32)
        state = self._shift(target.device)
        is_first = state[0] == 0.0
        shift = where(is_first, target.mean(), state[1])
        new = where(is_first, shift, 0.0)
        state[0:1].fill_(1.0)
        state[1:2].copy_(shift.reshape(1))
        distance = target - shift
        return {
            "error": error.square().sum(),
            "shift": new,
            "distance": distance.sum(),
            "square": distance.square().sum(),
            "count": _count(error),
        }

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        for state in self._shifts.values():
            state.zero_()

    def exact(self, totals: Totals) -> Totals:
        """The sums of the targets and of their squares themselves, which add up over devices."""
        error, shift, distance, square = (
            totals[name] for name in ("error", "shift", "distance", "square")
        )
        assert isinstance(error, ExactSum) and isinstance(shift, ExactSum)
        assert isinstance(distance, ExactSum) and isinstance(square, ExactSum)
        count, c = Fraction(int(totals["count"])), shift.finite  # type: ignore[arg-type]
        special = shift.special + distance.special + square.special
        whole = distance.finite + count * c
        squares = square.finite + 2 * c * distance.finite + count * c * c
        return {
            "error": error,
            "sum": ExactSum(whole, special),
            "squares": ExactSum(squares, special),
            "count": totals["count"],
        }

    def _computed(self, totals: Totals) -> float:
        if not totals:
            return super()._computed(totals)
        error, whole, squares = (totals[name] for name in ("error", "sum", "squares"))
        assert isinstance(error, ExactSum) and isinstance(whole, ExactSum)
        assert isinstance(squares, ExactSum)
        count = int(totals["count"])  # type: ignore[arg-type]
        if error.special or whole.special or squares.special:
            return math.nan
        spread = squares.finite - whole.finite**2 / count
        if spread <= 0:
            return 0.0 if error.finite else 1.0
        return float(1 - error.finite / spread)

    def _shift(self, device: Device) -> Tensor:
        if device not in self._shifts:
            with gpu.outside_capture():
                state = zeros((2,), dtype=float32, device=device)
                if device.kind == "gpu":
                    gpu.persist(state.array)
            self._shifts[device] = state
        return self._shifts[device]


def _error(name: str, output: Tensor, target: Tensor) -> Tensor:
    if output.shape != target.shape:
        raise ShapeError(
            f"{name}: output of shape {output.shape} and target of shape {target.shape}; both need "
            "one shape"
        )
    return output.to(float32) - target.to(float32)


def _count(x: Tensor) -> Tensor:
    return full((), x.size, dtype=int32, device=x.device)
