"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from rumus.tensor._creation import ones, zeros
from rumus.tensor._device import CPU, Device
from rumus.tensor._errors import ShapeError
from rumus.tensor._tensor import Tensor

from ._layer import Layer
from ._parameter import Parameter


class LayerNorm(Layer):
    """``(x - mean) / sqrt(var + eps) * weight + bias``, over the last axes of each sample.

    Ba, Kiros and Hinton, arXiv:1607.06450. The variance is the biased one.

    Args:
        shape: Lengths of the axes to normalise over, or the length of the last one.
        eps: Added to the variance.
        device: Where the parameters start.

    Attributes:
        weight: Ones at first, of that shape.
        bias: Zeros at first, of that shape.
    """

    def __init__(
        self, shape: int | Sequence[int], eps: float = 1e-5, device: Device | str = CPU
    ) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.eps = eps
        self.weight = Parameter(ones(self.shape, device=device))
        self.bias = Parameter(zeros(self.shape, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each sample.

        Raises:
            ShapeError: The shape of x does not end in ``shape``.
        """
        first = x.ndim - len(self.shape)
        if first < 0 or x.shape[first:] != self.shape:
            raise ShapeError(f"LayerNorm takes a shape that ends in {self.shape}, not {x.shape}")
        axes = tuple(range(first, x.ndim))
        centered = x - x.mean(axes, keepdims=True)
        scale = (centered.square().mean(axes, keepdims=True) + self.eps).rsqrt()
        return centered * scale * self.weight + self.bias

    def extra_repr(self) -> str:
        """The lengths."""
        return f"{self.shape}, eps={self.eps}"
