"""The fully connected layer."""

from __future__ import annotations

import math

from rumus._core.devices import CPU, Device
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor import rand
from rumus.tensor._ops.matmul import Linear as LinearFunction
from rumus.tensor._ops.movement import Reshape
from rumus.tensor._tensor import Tensor

from ._layer import Layer
from ._parameter import Parameter


class Linear(Layer):
    """``y = x @ weight.T + bias``.

    Both start uniform in ``(-1 / sqrt(in_features), 1 / sqrt(in_features))``, which for the weight
    is He's uniform rule with a = sqrt(5) (He et al., arXiv:1502.01852), drawn from the generator of
    :func:`rumus.tensor.manual_seed`.

    Args:
        in_features: Length of the last axis of the input.
        out_features: Length of the last axis of the result.
        bias: Whether to add a learned bias.
        device: Where the parameters start.

    Attributes:
        weight: Of shape (out_features, in_features).
        bias: Of shape (out_features,), or None.

    Raises:
        ArgumentError: A length is not positive.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Device | str = CPU,
    ) -> None:
        if in_features < 1 or out_features < 1:
            raise ArgumentError(
                f"Linear: in_features and out_features are at least 1, "
                f"not {in_features} and {out_features}"
            )
        self.in_features, self.out_features = in_features, out_features
        bound = 1.0 / math.sqrt(in_features)
        shape = (out_features, in_features)
        self.weight = Parameter(_uniform(shape, bound, device))
        self.bias = Parameter(_uniform((out_features,), bound, device)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to the last axis.

        Args:
            x: Of shape (…, in_features).

        Returns:
            Of shape (…, out_features).

        Raises:
            ShapeError: The last axis has another length.
            DTypeError: The input has another dtype than the weight.
            DeviceError: The input is on another device than the layer.
        """
        if x.shape[-1:] != (self.in_features,):
            raise ShapeError(
                f"Linear({self.in_features}, {self.out_features}) takes (…, {self.in_features}), "
                f"not {x.shape}"
            )
        if x.dtype != self.weight.dtype:
            raise DTypeError(
                f"Linear: the input is {x.dtype}, the weight {self.weight.dtype}; "
                "convert one with .to(dtype)"
            )
        rows = x if x.ndim == 2 else Reshape((math.prod(x.shape[:-1]), self.in_features))(x)
        inputs = (rows, self.weight) if self.bias is None else (rows, self.weight, self.bias)
        y: Tensor = LinearFunction()(*inputs)
        return y if x.ndim == 2 else Reshape((*x.shape[:-1], self.out_features))(y)

    def extra_repr(self) -> str:
        """The lengths."""
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


def _uniform(shape: tuple[int, ...], bound: float, device: Device | str) -> Tensor:
    return (rand(shape) * 2.0 - 1.0).mul_(bound).to(Device(device))
