"""Normalisation of the last axes: layer norm and RMS norm."""

from __future__ import annotations

from collections.abc import Sequence

from rumus._core.devices import CPU, DeviceLike
from rumus._core.errors import ArgumentError
from rumus._core.shapes import whole_numbers
from rumus.tensor._creation import ones, zeros
from rumus.tensor._tensor import Tensor

from . import functional
from ._layer import Layer
from ._parameter import Parameter


class LayerNorm(Layer):
    """``(x - mean) / sqrt(var + eps) * weight + bias``, over the last axes of each sample.

    Ba, Kiros and Hinton, arXiv:1607.06450. The variance is the biased one.

    Args:
        shape: Lengths of the axes to normalise over, or the length of the last one.
        eps: Added to the variance.
        elementwise_affine: Whether there are parameters.
        bias: Whether there is a bias, if there are parameters.
        device: Where the parameters start.

    Attributes:
        weight: Ones at first, of that shape, or None.
        bias: Zeros at first, of that shape, or None.

    Raises:
        ArgumentError: There is no length, or one is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> LayerNorm(2, eps=0.0)(tensor([[1.0, 3.0], [5.0, 4.0]])).tolist()
        [[-1.0, 1.0], [1.0, -1.0]]
    """

    shape: tuple[int, ...]
    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: DeviceLike = CPU,
    ) -> None:
        self.shape = _lengths("LayerNorm", shape)
        self.eps = eps
        affine = elementwise_affine
        self.weight = Parameter(ones(self.shape, device=device)) if affine else None
        self.bias = Parameter(zeros(self.shape, device=device)) if affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each sample.

        Raises:
            ShapeError: The shape of x does not end in ``shape``, or weight or bias was replaced by
                a parameter of another shape.
            DTypeError: x is not float32 or float16.
        """
        return functional.layer_norm(x, self.shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The lengths."""
        affine, bias = self.weight is not None, self.bias is not None
        return f"{self.shape}, eps={self.eps}, elementwise_affine={affine}, bias={bias}"


class RMSNorm(Layer):
    """``x / sqrt(mean(x^2) + eps) * weight``, over the last axes of each sample.

    Zhang and Sennrich, arXiv:1910.07467.

    Args:
        normalized_shape: Lengths of the axes to normalise over, or the length of the last one.
        eps: Added to the mean of squares; by default the distance from 1 to the next number of
            x's dtype.
        elementwise_affine: Whether there is a weight.
        device: Where it starts.

    Attributes:
        weight: Ones at first, of that shape, or None.

    Raises:
        ArgumentError: There is no length, or one is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> RMSNorm(2)(tensor([3.0, 3.0]))
        Tensor([1., 1.], dtype=float32)
    """

    normalized_shape: tuple[int, ...]
    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: DeviceLike = CPU,
    ) -> None:
        self.normalized_shape = _lengths("RMSNorm", normalized_shape)
        self.eps = eps
        shape = self.normalized_shape
        self.weight = Parameter(ones(shape, device=device)) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each sample.

        Raises:
            ShapeError: The shape of x does not end in ``normalized_shape``.
            DTypeError: x is not float32 or float16.
        """
        return functional.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The lengths."""
        affine = self.weight is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"


def _lengths(name: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    lengths = whole_numbers(name, shape)
    if not lengths or min(lengths) < 1:
        raise ArgumentError(f"{name}: lengths are at least 1, not {lengths}")
    return lengths
