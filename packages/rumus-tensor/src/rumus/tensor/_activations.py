"""What stands between the layers of a network: activations of each element."""

from __future__ import annotations

from typing import Literal

from rumus._core.base import TensorBase, TensorT
from rumus._core.errors import ArgumentError

from ._operand import apply


class Activations(TensorBase[TensorT]):
    """Activations."""

    __slots__ = ()

    def sigmoid(self) -> TensorT:
        """``1 / (1 + exp(-a))``.

        Example:
            >>> f"{tensor(0.5).sigmoid():.4f}"
            '0.6225'
        """
        return apply("sigmoid", self)

    def relu(self) -> TensorT:
        """``max(a, 0)``; NaN stays NaN.

        Example:
            >>> tensor([-1.0, 2.0]).relu().tolist()
            [0.0, 2.0]
        """
        return apply("relu", self)

    def leaky_relu(self, negative_slope: float = 0.01) -> TensorT:
        """``a`` where it is positive, else ``negative_slope * a``.

        Example:
            >>> tensor([-2.0, 2.0]).leaky_relu(0.25).tolist()
            [-0.5, 2.0]
        """
        return apply("leaky_relu", self, negative_slope)

    def gelu(self, approximate: Literal["none", "tanh"] = "none") -> TensorT:
        """``a * P(X <= a)`` of a standard normal X (Hendrycks and Gimpel, arXiv:1606.08415).

        Args:
            approximate: ``"none"`` uses the error function, ``"tanh"`` the paper's approximation.

        Raises:
            ArgumentError: ``approximate`` is neither.

        Example:
            >>> f"{tensor(0.5).gelu():.4f}"
            '0.3457'
        """
        if approximate not in ("none", "tanh"):
            raise ArgumentError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
        return apply("gelu" if approximate == "none" else "gelu_tanh", self)

    def silu(self) -> TensorT:
        """``a * sigmoid(a)``.

        Example:
            >>> f"{tensor(0.5).silu():.4f}"
            '0.3112'
        """
        return apply("silu", self)

    def softplus(self) -> TensorT:
        """``log(1 + exp(a))``, without overflow.

        Example:
            >>> f"{tensor(0.5).softplus():.4f}"
            '0.9741'
        """
        return apply("softplus", self)
