"""Activations without a choice; what they compute is said in :mod:`rumus.nn.functional`."""

from __future__ import annotations

from rumus.tensor._tensor import Tensor

from . import functional
from ._layer import Layer


class ReLU(Layer):
    """``max(x, 0)``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in ReLU()(tensor([-2.0, 0.7]))]
        ['0.000', '0.700']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.relu(x)


class ReLU6(Layer):
    """``min(max(x, 0), 6)``, without a gradient at either bound.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in ReLU6()(tensor([-2.0, 0.7]))]
        ['0.000', '0.700']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.relu6(x)


class SELU(Layer):
    """``1.0507 * elu(x, 1.67326)`` (Klambauer et al., arXiv:1706.02515).

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in SELU()(tensor([-2.0, 0.7]))]
        ['-1.520', '0.735']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.selu(x)


class SiLU(Layer):
    """``x * sigmoid(x)``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in SiLU()(tensor([-2.0, 0.7]))]
        ['-0.238', '0.468']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.silu(x)


class Mish(Layer):
    """``x * tanh(log(1 + exp(x)))`` (Misra, arXiv:1908.08681).

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Mish()(tensor([-2.0, 0.7]))]
        ['-0.253', '0.561']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.mish(x)


class Hardswish(Layer):
    """``x * min(max(x + 3, 0), 6) / 6`` (Howard et al., arXiv:1905.02244).

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Hardswish()(tensor([-2.0, 0.7]))]
        ['-0.333', '0.432']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.hardswish(x)


class Hardsigmoid(Layer):
    """``min(max(x + 3, 0), 6) / 6``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Hardsigmoid()(tensor([-2.0, 0.7]))]
        ['0.167', '0.617']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.hardsigmoid(x)


class Sigmoid(Layer):
    """``1 / (1 + exp(-x))``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Sigmoid()(tensor([-2.0, 0.7]))]
        ['0.119', '0.668']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.sigmoid(x)


class LogSigmoid(Layer):
    """``log(sigmoid(x))``, without overflow.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in LogSigmoid()(tensor([-2.0, 0.7]))]
        ['-2.127', '-0.403']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.logsigmoid(x)


class Tanh(Layer):
    """The hyperbolic tangent.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Tanh()(tensor([-2.0, 0.7]))]
        ['-0.964', '0.604']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.tanh(x)


class Tanhshrink(Layer):
    """``x - tanh(x)``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Tanhshrink()(tensor([-2.0, 0.7]))]
        ['-1.036', '0.096']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.tanhshrink(x)


class Softsign(Layer):
    """``x / (1 + |x|)``.

    Example:
        >>> from rumus.tensor import tensor
        >>> [f"{y:.3f}" for y in Softsign()(tensor([-2.0, 0.7]))]
        ['-0.667', '0.412']
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.softsign(x)
