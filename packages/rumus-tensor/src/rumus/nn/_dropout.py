"""Dropout of elements and of channels."""

from __future__ import annotations

from rumus._backends.generator import Generator, default_generator
from rumus._core.errors import ArgumentError
from rumus.tensor._tensor import Tensor

from . import functional
from ._layer import Layer


class _Dropping(Layer):
    """In training, what each drops with probability p; in evaluation nothing.

    Args:
        p: Probability of zero, from 0 to 1.
        generator: Where the mask is drawn from; by default the one of ``manual_seed``.

    Raises:
        ArgumentError: p is out of range.
    """

    p: float
    generator: Generator

    def __init__(self, p: float = 0.5, generator: Generator = default_generator) -> None:
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(f"{type(self).__name__}: p is from 0 to 1, not {p}")
        self.p, self.generator = p, generator

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class Dropout(_Dropping):
    """In training, zero elements with probability p and scale the others by 1 / (1 - p).

    In evaluation it does nothing (Srivastava et al., JMLR 15, 2014, in its inverted form).

    Args:
        p: Probability of zero, from 0 to 1.
        generator: Where the mask is drawn from; by default the one of ``manual_seed``.

    Raises:
        ArgumentError: p is out of range.

    Example:
        >>> from rumus.tensor import ones
        >>> layer = Dropout(0.5).eval()
        >>> layer(ones(3)).tolist()
        [1.0, 1.0, 1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements in training."""
        return functional.dropout(x, self.p, self.training, self.generator)


class Dropout1d(_Dropping):
    """In training, zero whole channels of inputs of shape (N, C, L) or (C, L).

    Tompson et al., arXiv:1411.4280; arguments as in :class:`Dropout`.

    Example:
        >>> from rumus.tensor import ones
        >>> kept = Dropout1d(0.5)(ones(1, 4, 8)).sum(2)
        >>> set(kept.ravel().tolist()) <= {0.0, 16.0}
        True
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop channels in training.

        Raises:
            ShapeError: x has another number of axes.
        """
        return functional.dropout1d(x, self.p, self.training, self.generator)


class Dropout2d(_Dropping):
    """In training, zero whole channels of inputs of shape (N, C, H, W) or (C, H, W).

    Tompson et al., arXiv:1411.4280; arguments as in :class:`Dropout`.

    Example:
        >>> from rumus.tensor import ones
        >>> kept = Dropout2d(0.5)(ones(1, 4, 2, 2)).sum((2, 3))
        >>> set(kept.ravel().tolist()) <= {0.0, 8.0}
        True
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop channels in training.

        Raises:
            ShapeError: x has another number of axes.
        """
        return functional.dropout2d(x, self.p, self.training, self.generator)


class AlphaDropout(_Dropping):
    """In training, set elements to SELU's lowest value, and keep mean and variance.

    Klambauer et al., arXiv:1706.02515; arguments as in :class:`Dropout`, with p below 1.

    Example:
        >>> from rumus.tensor import ones
        >>> AlphaDropout(0.1).eval()(ones(2)).tolist()
        [1.0, 1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements in training."""
        return functional.alpha_dropout(x, self.p, self.training, self.generator)
