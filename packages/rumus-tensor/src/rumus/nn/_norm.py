"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from rumus._core.devices import CPU, Device
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor._creation import ones, zeros
from rumus.tensor._ops.rows import LayerNorm as LayerNormFunction
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

    Raises:
        ArgumentError: There is no length, or one is not positive.
    """

    def __init__(
        self, shape: int | Sequence[int], eps: float = 1e-5, device: Device | str = CPU
    ) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if not self.shape or min(self.shape) < 1:
            raise ArgumentError(f"LayerNorm: lengths are at least 1, not {self.shape}")
        self.eps = eps
        self.weight = Parameter(ones(self.shape, device=device))
        self.bias = Parameter(zeros(self.shape, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each sample.

        Raises:
            ShapeError: The shape of x does not end in ``shape``, or weight or bias was replaced by
                a parameter of another shape.
            DTypeError: x is not float32 or float16.
        """
        first = x.ndim - len(self.shape)
        if first < 0 or x.shape[first:] != self.shape:
            raise ShapeError(f"LayerNorm takes a shape that ends in {self.shape}, not {x.shape}")
        for name, given in (("weight", self.weight), ("bias", self.bias)):
            if given.shape != self.shape:
                raise ShapeError(
                    f"LayerNorm: the {name} has shape {given.shape}, not {self.shape}, the layer's"
                )
        if not is_float(x.dtype):
            raise DTypeError(f"LayerNorm takes floats, not {x.dtype}; convert with .to(float32)")
        return LayerNormFunction(self.eps)(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The lengths."""
        return f"{self.shape}, eps={self.eps}"
