"""What the layers share: numbers drawn for each image, dtypes, ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rumus._backends.generator import Generator, default_generator
from rumus._core.dtypes import float32, is_float, uint8
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor._creation import rand
from rumus.tensor._joining import where
from rumus.tensor._tensor import Tensor

from .._layer import Layer
from .._module import Module


class Augmentation(Layer):
    """In training, images changed by random numbers; in evaluation the images themselves.

    A subclass says how many numbers an image needs and what they do. Where they come from is none
    of its business: from a generator as here, on the device of the images and also in a captured
    step, or from a loader (:func:`by_sample`).

    Args:
        generator: What they are drawn from; by default what ``manual_seed`` starts.

    Attributes:
        draws: The numbers of an image.

    Example:
        >>> from rumus.tensor import ones
        >>> class Dimmed(Augmentation):
        ...     draws = 1
        ...     def changed(self, x, u):
        ...         return x * u.reshape((-1, 1, 1, 1))
        >>> Dimmed()(ones(2, 1, 4, 4)).shape
        (2, 1, 4, 4)
    """

    draws: int = 0

    def __init__(self, generator: Generator = default_generator) -> None:
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Draw and change, in training.

        Raises:
            ShapeError: x is not of shape (N, C, H, W).
            DTypeError: x is neither uint8 nor floats.
        """
        if not self.training:
            return x
        check_images(self, x)
        return self.changed(
            x, rand(x.shape[0], self.draws, device=x.device, generator=self.generator)
        )

    def changed(self, x: Tensor, u: Tensor) -> Tensor:
        """The images, changed; a subclass writes it.

        Args:
            x: Of shape (N, C, H, W).
            u: Numbers from 0 to below 1, float32 of shape (N, draws).
        """
        raise NotImplementedError(f"{type(self).__name__} has no changed")


class Sometimes(Augmentation):
    """A change that images have with probability p, and others not at all.

    Args:
        p: From 0 to 1.
        generator: As of :class:`Augmentation`.

    Raises:
        ArgumentError: p is out of range.
    """

    draws = 1
    p: float

    def __init__(self, p: float, generator: Generator) -> None:
        super().__init__(generator)
        self.p = a_share(type(self).__name__, p)

    def other(self, x: Tensor) -> Tensor:
        """The images, all of them changed; a subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} has no other")

    def changed(self, x: Tensor, u: Tensor) -> Tensor:
        """Change some."""
        return where(for_images(u, 0) < self.p, self.other(x), x)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


def check_images(layer: Module, x: Tensor) -> None:
    """Refuse what is no batch of images."""
    if x.ndim != 4 or not min(x.shape[1:]):
        raise ShapeError(f"{type(layer).__name__} takes images of (N, C, H, W), not {x.shape}")
    if x.dtype != uint8 and not is_float(x.dtype):
        raise DTypeError(
            f"{type(layer).__name__} takes images of uint8 or of floats from 0 to 1, not {x.dtype}"
        )


def as_floats(x: Tensor) -> Tensor:
    """Images in float32, on their own scale."""
    return x if x.dtype == float32 else x.to(float32)


def as_given(y: Tensor, x: Tensor) -> Tensor:
    """Images in the dtype of those that they were made of; for uint8 rounded."""
    if x.dtype == uint8:
        return y.round().clip(0, 255).to(uint8)
    return y if y.dtype == x.dtype else y.to(x.dtype)


def between(u: Tensor, low: float, high: float) -> Tensor:
    """Numbers in a range, of those from 0 to 1."""
    return u * (high - low) + low


def whole(u: Tensor, count: Tensor | int) -> Tensor:
    """Whole numbers from 0 to before ``count``, all equally likely, as floats."""
    return (u * count).floor().minimum(count - 1)  # a product may round up to count


def for_images(u: Tensor, column: int) -> Tensor:
    """One of the numbers of each image, of shape (N, 1, 1, 1)."""
    return u[:, column].reshape((-1, 1, 1, 1))


def two_lengths(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    """Rows and columns.

    Raises:
        ArgumentError: They are not one or two numbers above 0.
    """
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
        raise ArgumentError(f"{name}: size is a number above 0, or (rows, columns), not {size}")
    return pair[0], pair[1]


def a_range(
    name: str, what: str, given: Sequence[float], least: float = 0.0, most: float = math.inf
) -> tuple[float, float]:
    """Two numbers in their order.

    Raises:
        ArgumentError: They are something else, or out of range.
    """
    pair = tuple(float(number) for number in given)
    if len(pair) != 2 or not (least <= pair[0] <= pair[1] <= most and math.isfinite(pair[1])):
        raise ArgumentError(
            f"{name}: {what} is (lowest, highest), from {least} to {most}, not {given}"
        )
    return pair


def a_share(name: str, p: float) -> float:
    """A probability.

    Raises:
        ArgumentError: It is out of range.
    """
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name}: p is from 0 to 1, not {p}")
    return float(p)
