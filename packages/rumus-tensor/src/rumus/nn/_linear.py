"""Layers that multiply with weights."""

from __future__ import annotations

import math

from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.errors import ShapeError
from rumus.tensor import rand
from rumus.tensor._tensor import Tensor

from . import functional
from ._layer import Layer
from ._lengths import check_lengths
from ._module import Module
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

    Example:
        >>> from rumus.tensor import ones
        >>> Linear(4, 2)(ones(8, 4)).shape
        (8, 2)
    """

    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: DeviceLike = CPU,
    ) -> None:
        check_lengths("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        bound = 1.0 / math.sqrt(in_features)
        shape = (out_features, in_features)
        self.weight = Parameter(uniform(shape, bound, device))
        self.bias = Parameter(uniform((out_features,), bound, device)) if bias else None

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
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The lengths."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """``y[k] = sum over i and j of x1[i] * weight[k, i, j] * x2[j] + bias[k]``.

    Both start uniform in ``(-1 / sqrt(in1_features), 1 / sqrt(in1_features))``.

    Args:
        in1_features: Length of the last axis of the first input.
        in2_features: Length of the last axis of the second input.
        out_features: Length of the last axis of the result.
        bias: Whether to add a learned bias.
        device: Where the parameters start.

    Attributes:
        weight: Of shape (out_features, in1_features, in2_features).
        bias: Of shape (out_features,), or None.

    Raises:
        ArgumentError: A length is not positive.

    Example:
        >>> from rumus.tensor import ones
        >>> Bilinear(2, 3, 4)(ones((5, 2)), ones((5, 3))).shape
        (5, 4)
    """

    in1_features: int
    in2_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: DeviceLike = CPU,
    ) -> None:
        shape = out_features, in1_features, in2_features
        check_lengths(
            "Bilinear",
            in1_features=in1_features,
            in2_features=in2_features,
            out_features=out_features,
        )
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        bound = 1.0 / math.sqrt(in1_features)
        self.weight = Parameter(uniform(shape, bound, device))
        self.bias = Parameter(uniform((out_features,), bound, device)) if bias else None

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Apply the layer to the last axes.

        Raises:
            ShapeError: The shapes do not fit.
        """
        return functional.bilinear(x1, x2, self.weight, self.bias)

    def multiply_adds(self, inputs: tuple[Tensor, ...], result: Tensor) -> int:
        """What :func:`summary` counts."""
        return result.size * self.in2_features * (self.in1_features + 1)

    def extra_repr(self) -> str:
        """The lengths."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


def uniform(shape: tuple[int, ...], bound: float, device: DeviceLike) -> Tensor:
    return (rand(shape) * 2.0 - 1.0).mul_(bound).to(Device(device))
