"""Inputs brought to mean 0 and deviation 1, by numbers that the model keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.dtypes import bool_, float16, float32
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus._core.tree import flatten
from rumus.tensor._creation import from_numpy
from rumus.tensor._tensor import Tensor

from ._layer import Layer

Float64 = npt.NDArray[np.float64]


class Standardize(Layer):
    """``(x - mean) / std``, with a mean and a deviation for each feature.

    They are no parameters but buffers: measured once by :meth:`fit`, saved and moved with the
    model. They stay float32 in a model that becomes float16, which has no room for large numbers
    and no accuracy for years; the result is float16 then, or where x is, and otherwise float32.

    Args:
        features: How many: columns of a table, channels of images, or 1 for all numbers alike.
        axis: Where they lie: 1 (default) in (N, C) and (N, C, H, W), -1 in (N, length, C).
        mean: What is known of them: a number, or one a feature.
        std: Their deviations, the same, above 0.
        device: Where the buffers start.

    Attributes:
        mean: float32 of shape (features,).
        std: The same.

    Raises:
        ArgumentError: There are not so many means or deviations, or a deviation is not above 0.

    Example:
        >>> table = np.array([[1.0, 10.0], [3.0, 30.0]])
        >>> scale = Standardize(2).fit([table])
        >>> scale(from_numpy(np.array([[2.0, 40.0]]))).tolist()
        [[0.0, 2.0]]
        >>> scale.inverse(from_numpy(np.array([[0.0, 2.0]]))).tolist()
        [[2.0, 40.0]]
    """

    features: int
    axis: int
    mean: Tensor
    std: Tensor
    _result: np.dtype[Any] = float32

    def __init__(
        self,
        features: int,
        axis: int = 1,
        mean: float | Sequence[float] | npt.NDArray[Any] = 0.0,
        std: float | Sequence[float] | npt.NDArray[Any] = 1.0,
        device: DeviceLike = CPU,
    ) -> None:
        if features < 1:
            raise ArgumentError(f"Standardize: features is at least 1, not {features}")
        self.features, self.axis = features, axis
        for name, given in (("mean", mean), ("std", std)):
            numbers = np.asarray(given, np.float64)
            if numbers.shape not in ((), (features,)):
                raise ArgumentError(
                    f"Standardize: {name} is a number or {features} of them, one a feature, not of "
                    f"shape {numbers.shape}"
                )
            if not np.isfinite(numbers).all() or (name == "std" and not (numbers > 0).all()):
                raise ArgumentError(
                    f"Standardize: {name} is finite{' and above 0' * (name == 'std')}, not {given}"
                )
            filled = np.broadcast_to(numbers, (features,)).astype(np.float32)
            self.register_buffer(name, from_numpy(filled, device))

    def fit(self, batches: Iterable[Any], part: int = 0) -> Self:
        """Measure means and deviations, of all batches together, and keep them.

        They are those of the population, in float64 on the host: each batch's own, merged (Chan,
        Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
        variances", 1979), so that nothing is lost where means are large. Batches on a GPU are read
        back. A feature that never changes gets the deviation 1. A loader that has a state is then
        where it was: the epoch does not count.

        Args:
            batches: An epoch of a loader, or tensors or arrays. Of a batch that is a tree, one
                leaf is measured.
            part: Which, in their order: the input of a ``DataItem`` is the first, 0.

        Raises:
            ArgumentError: There is no number to measure, or one is NaN or infinite; the old ones
                stay.
            ShapeError: A batch has another number of features.
        """
        loader: Any = batches
        position = loader.state_dict() if hasattr(loader, "load_state_dict") else None
        count, mean, spread = 0, np.zeros(self.features), np.zeros(self.features)
        try:
            for batch in batches:
                columns = self._columns(_leaf(batch, part))
                if len(columns):
                    count, mean, spread = _merged(count, mean, spread, columns)
        finally:
            if position is not None:
                loader.load_state_dict(position)
        if not count:
            raise ArgumentError("Standardize.fit: there is no sample to measure")
        if not np.isfinite(mean + spread).all():
            wrong = np.flatnonzero(~np.isfinite(mean + spread))
            raise ArgumentError(
                f"Standardize.fit: NaN or infinity among feature {', '.join(map(str, wrong[:8]))}; "
                "fill such places, or leave those samples out, before measuring"
            )
        rounding = count * np.finfo(np.float64).eps * np.abs(mean)
        std = np.sqrt(spread / count).astype(np.float32)
        std[(std <= rounding) | (std == 0)] = 1.0
        for buffer, numbers in ((self.mean, mean.astype(np.float32)), (self.std, std)):
            buffer.copy_(from_numpy(numbers))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Standardise.

        Raises:
            ShapeError: x has another number of features.
            DTypeError: x is of bool.
        """
        mean, std = self._along(x)
        return ((x.to(float32) - mean) / std).to(float16 if x.dtype == float16 else self._result)

    def inverse(self, y: Tensor) -> Tensor:
        """``y * std + mean``: what :meth:`forward` takes back, float32 of any y.

        Raises:
            ShapeError: y has another number of features.
            DTypeError: y is of bool.
        """
        mean, std = self._along(y)
        return y.to(float32) * std + mean

    def _moved_buffer(self, name: str, target: Device | np.dtype[Any]) -> Tensor:
        if isinstance(target, Device):
            return super()._moved_buffer(name, target)
        self._result = target
        buffer: Tensor = getattr(self, name)
        return buffer

    def extra_repr(self) -> str:
        """The features, and where they lie."""
        return f"{self.features}, axis={self.axis}"

    def _along(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The buffers in a shape that broadcasts."""
        if x.dtype == bool_:
            raise DTypeError("Standardize takes numbers, not bool; convert with .to(float32)")
        axis = self._axis(x.shape)
        shape = [1] * x.ndim
        shape[axis] = self.features
        return self.mean.reshape(shape), self.std.reshape(shape)

    def _axis(self, shape: tuple[int, ...]) -> int:
        axis = self.axis % len(shape) if -len(shape) <= self.axis < len(shape) else None
        if axis is None or self.features not in (1, shape[axis]):
            raise ShapeError(
                f"Standardize: {self.features} features along axis {self.axis}, not {shape}"
            )
        return axis

    def _columns(self, leaf: Any) -> Float64:
        """What was given, a row for each number of a feature."""
        array = np.asarray(leaf.numpy() if isinstance(leaf, Tensor) else leaf)
        if array.dtype.kind not in "fiu":
            raise DTypeError(f"Standardize.fit takes numbers, not {array.dtype}")
        axis = self._axis(array.shape)
        if self.features == 1:
            return array.reshape(-1, 1).astype(np.float64)
        return np.moveaxis(array, axis, -1).reshape(-1, self.features).astype(np.float64)


def _leaf(batch: Any, part: int) -> Any:
    leaves, _ = flatten(batch)
    if not -len(leaves) <= part < len(leaves):
        raise ArgumentError(f"Standardize.fit: a batch has {len(leaves)} parts, not {part}")
    return leaves[part]


def _merged(
    count: int, mean: Float64, spread: Float64, columns: Float64
) -> tuple[int, Float64, Float64]:
    """Count, means and sums of squared distances from them, with those of more rows."""
    total = count + len(columns)
    with np.errstate(invalid="ignore"):  # infinite numbers are reported at the end
        own_mean = columns.mean(0)
        own_spread = np.square(columns - own_mean).sum(0)
        apart = own_mean - mean
        mean = mean + apart * (len(columns) / total)
        spread = spread + own_spread + np.square(apart) * (count * len(columns) / total)
    return total, mean, spread
