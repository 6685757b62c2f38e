"""Layers without parameters."""

from __future__ import annotations

from rumus._backends.generator import Generator, default_generator
from rumus._core.errors import ArgumentError
from rumus.tensor._ops.random import Dropout as DropoutFunction
from rumus.tensor._tensor import Tensor

from ._layer import Layer


class ReLU(Layer):
    """``max(x, 0)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return x.relu()


class LeakyReLU(Layer):
    """``x`` where it is positive, else ``negative_slope * x``."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return x.leaky_relu(self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"{self.negative_slope}"


class Tanh(Layer):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return x.tanh()


class Sigmoid(Layer):
    """``1 / (1 + exp(-x))``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return x.sigmoid()


class GELU(Layer):
    """``x * P(X <= x)`` of a standard normal X; see :meth:`rumus.tensor.Tensor.gelu`.

    Args:
        approximate: ``"none"`` or ``"tanh"``.
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ArgumentError(f"GELU: approximate is 'none' or 'tanh', not {approximate!r}")
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return x.gelu(self.approximate)

    def extra_repr(self) -> str:
        """The approximation, where there is one."""
        return "" if self.approximate == "none" else f"approximate={self.approximate!r}"


class SiLU(Layer):
    """``x * sigmoid(x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return x.silu()


class Softmax(Layer):
    """``exp(x)`` over its sum along an axis."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Normalise along the axis."""
        return x.softmax(self.axis)


class LogSoftmax(Layer):
    """The logarithm of :class:`Softmax`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Normalise along the axis."""
        return x.log_softmax(self.axis)


class Flatten(Layer):
    """Join neighbouring axes into one; by default all but the first, the batch.

    Args:
        start_axis: The first axis to join.
        end_axis: The last axis to join.
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: Tensor) -> Tensor:
        """Join the axes."""
        return x.flatten(self.start_axis, self.end_axis)


class Dropout(Layer):
    """In training, zero elements with probability p and scale the others by 1 / (1 - p).

    In evaluation it does nothing (Srivastava et al., JMLR 15, 2014, in its inverted form).

    Args:
        p: Probability of zero, from 0 to below 1.
        generator: Where the mask is drawn from; by default the one of ``manual_seed``.

    Raises:
        ArgumentError: p is out of range.
    """

    def __init__(self, p: float = 0.5, generator: Generator = default_generator) -> None:
        if not 0.0 <= p < 1.0:
            raise ArgumentError(f"Dropout: p is from 0 to below 1, not {p}")
        self.p, self.generator = p, generator

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements in training."""
        if not self.training or self.p == 0.0:
            return x
        return DropoutFunction(self.p, self.generator)(x)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
