"""What the array API asks of numbers that might be complex; here all are real."""

from __future__ import annotations

from rumus.tensor._tensor import Tensor

from ._creation import zeros_like


def conj(x: Tensor, /) -> Tensor:
    """The tensor itself."""
    return x


def real(x: Tensor, /) -> Tensor:
    """The tensor itself."""
    return x


def imag(x: Tensor, /) -> Tensor:
    """Zeros."""
    return zeros_like(x)
