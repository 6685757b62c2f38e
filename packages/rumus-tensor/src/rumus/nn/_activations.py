"""Activations as layers; what they compute is said in :mod:`rumus.nn.functional`."""

from __future__ import annotations

from typing import Literal, Unpack

from rumus._core.devices import CPU, DeviceLike
from rumus._core.errors import ArgumentError
from rumus.tensor._aliases import Aliases, axis_alias
from rumus.tensor._creation import full
from rumus.tensor._tensor import Tensor

from . import functional
from ._layer import Layer
from ._parameter import Parameter


class LeakyReLU(Layer):
    """``x`` where it is positive, else ``negative_slope * x``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in LeakyReLU()(tensor([-2.0, 0.7]))]
        ['-0.020', '0.700']
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class PReLU(Layer):
    """``x`` where it is positive, else ``weight * x`` (He et al., arXiv:1502.01852).

    Args:
        num_parameters: 1 for one weight, or the channels of inputs of shape (N, C, …).
        init: What the weight is at first.
        device: Where it starts.

    Attributes:
        weight: Of shape (num_parameters,).

    Raises:
        ArgumentError: ``num_parameters`` is not positive.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in PReLU()(tensor([-2.0, 0.7]))]
        ['-0.500', '0.700']
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: DeviceLike = CPU
    ) -> None:
        if num_parameters < 1:
            raise ArgumentError(f"PReLU: num_parameters is at least 1, not {num_parameters}")
        self.num_parameters = num_parameters
        self.weight = Parameter(full((num_parameters,), float(init), device=device))

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element.

        Raises:
            ShapeError: x has other channels.
        """
        return functional.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """The number of weights."""
        return f"num_parameters={self.num_parameters}"


class ELU(Layer):
    """``x`` where it is positive, else ``alpha * (exp(x) - 1)``.

    Clevert et al., arXiv:1511.07289.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in ELU()(tensor([-2.0, 0.7]))]
        ['-0.865', '0.700']
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """The factor."""
        return f"alpha={self.alpha}"


class CELU(Layer):
    """``x`` where it is positive, else ``alpha * (exp(x / alpha) - 1)``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in CELU()(tensor([-2.0, 0.7]))]
        ['-0.865', '0.700']
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.celu(x, self.alpha)

    def extra_repr(self) -> str:
        """The factor."""
        return f"alpha={self.alpha}"


class GELU(Layer):
    """``x * P(X <= x)`` of a standard normal X; see :meth:`rumus.tensor.Tensor.gelu`.

    Args:
        approximate: ``"none"`` or ``"tanh"``.

    Raises:
        ArgumentError: It is something else.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in GELU()(tensor([-2.0, 0.7]))]
        ['-0.046', '0.531']
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ArgumentError(f"GELU: approximate is 'none' or 'tanh', not {approximate!r}")
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        """The approximation."""
        return f"approximate={self.approximate!r}"


class Hardtanh(Layer):
    """``min(max(x, min_val), max_val)``, without a gradient at either bound.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Hardtanh()(tensor([-2.0, 0.7]))]
        ['-1.000', '0.700']
    """

    min_val: float
    max_val: float

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val, self.max_val = min_val, max_val

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """The bounds."""
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Softplus(Layer):
    """``log(1 + exp(beta * x)) / beta``, and x itself where ``beta * x > threshold``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Softplus()(tensor([-2.0, 0.7]))]
        ['0.127', '1.103']
    """

    beta: float
    threshold: float

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The numbers."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softshrink(Layer):
    """x moved towards 0 by ``lambd``, and 0 where that is further than it is.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Softshrink()(tensor([-2.0, 0.7]))]
        ['-1.500', '0.200']
    """

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.softshrink(x, self.lambd)

    def extra_repr(self) -> str:
        """The distance."""
        return f"{self.lambd}"


class Hardshrink(Layer):
    """x, and 0 where it is from ``-lambd`` to ``lambd``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Hardshrink()(tensor([-2.0, 0.7]))]
        ['-2.000', '0.700']
    """

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.hardshrink(x, self.lambd)

    def extra_repr(self) -> str:
        """The bound."""
        return f"{self.lambd}"


class Threshold(Layer):
    """x where it is above the threshold, else ``value``.

    Example:
        >>> from rumus.tensor import tensor
        >>> Threshold(0.5, 0.0)(tensor([0.2, 0.75])).tolist()
        [0.0, 0.75]
    """

    threshold: float
    value: float

    def __init__(self, threshold: float, value: float) -> None:
        self.threshold, self.value = threshold, value

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.threshold(x, self.threshold, self.value)

    def extra_repr(self) -> str:
        """The numbers."""
        return f"threshold={self.threshold}, value={self.value}"


class _AlongAxis(Layer):
    """What works along an axis, which may be called ``dim``."""

    axis: int

    def __init__(self, axis: int = -1, **aliases: Unpack[Aliases]) -> None:
        self.axis = axis_alias(type(self).__name__, aliases, axis, -1) if aliases else axis

    def extra_repr(self) -> str:
        """The axis."""
        return f"axis={self.axis}"


class Softmax(_AlongAxis):
    """``exp(x)`` over its sum along an axis, which may be called ``dim``.

    Example:
        >>> from rumus.tensor import tensor
        >>> Softmax(0)(tensor([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise along the axis."""
        return functional.softmax(x, self.axis)


class Softmin(_AlongAxis):
    """``exp(-x)`` over its sum along an axis, which may be called ``dim``.

    Example:
        >>> from rumus.tensor import tensor
        >>> Softmin(0)(tensor([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise along the axis."""
        return functional.softmin(x, self.axis)


class LogSoftmax(_AlongAxis):
    """The logarithm of :class:`Softmax`.

    Example:
        >>> from rumus.tensor import tensor
        >>> f"{LogSoftmax(0)(tensor([0.0, 0.0]))[0]:.4f}"
        '-0.6931'
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise along the axis."""
        return functional.log_softmax(x, self.axis)


class GLU(_AlongAxis):
    """``a * sigmoid(b)`` of the halves a and b of an axis (Dauphin et al., arXiv:1612.08083).

    Example:
        >>> from rumus.tensor import ones
        >>> GLU()(ones(2, 6)).shape
        (2, 3)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Halve the axis.

        Raises:
            ShapeError: It has an odd length.
        """
        return functional.glu(x, self.axis)


class SwiGLU(_AlongAxis):
    """``silu(a) * b`` of the halves a and b of an axis (Shazeer, arXiv:2002.05202).

    Example:
        >>> from rumus.tensor import ones
        >>> SwiGLU()(ones(2, 6)).shape
        (2, 3)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Halve the axis.

        Raises:
            ShapeError: It has an odd length.
        """
        return functional.swiglu(x, self.axis)
