"""Activations without a choice; what they compute is said in :mod:`rumus.nn.functional`."""

from __future__ import annotations

from rumus.tensor._tensor import Tensor

from . import functional
from ._layer import Layer


class ReLU(Layer):
    """``max(x, 0)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.relu(x)


class ReLU6(Layer):
    """``min(max(x, 0), 6)``, without a gradient at either bound."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.relu6(x)


class SELU(Layer):
    """``1.0507 * elu(x, 1.67326)`` (Klambauer et al., arXiv:1706.02515)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.selu(x)


class SiLU(Layer):
    """``x * sigmoid(x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.silu(x)


class Mish(Layer):
    """``x * tanh(log(1 + exp(x)))`` (Misra, arXiv:1908.08681)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.mish(x)


class Hardswish(Layer):
    """``x * min(max(x + 3, 0), 6) / 6`` (Howard et al., arXiv:1905.02244)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.hardswish(x)


class Hardsigmoid(Layer):
    """``min(max(x + 3, 0), 6) / 6``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.hardsigmoid(x)


class Sigmoid(Layer):
    """``1 / (1 + exp(-x))``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.sigmoid(x)


class LogSigmoid(Layer):
    """``log(sigmoid(x))``, without overflow."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.logsigmoid(x)


class Tanh(Layer):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.tanh(x)


class Tanhshrink(Layer):
    """``x - tanh(x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.tanhshrink(x)


class Softsign(Layer):
    """``x / (1 + |x|)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to each element."""
        return functional.softsign(x)
