"""Pixels in other places, as they are."""

from __future__ import annotations

from collections.abc import Sequence

from rumus._backends.generator import Generator, default_generator
from rumus._core.dtypes import int32
from rumus._core.errors import ArgumentError, ShapeError
from rumus.tensor._gathering import take
from rumus.tensor._padding import pad
from rumus.tensor._spaced import arange
from rumus.tensor._tensor import Tensor

from .._layer import Layer
from ._base import Augmentation, Sometimes, check_images, two_lengths, whole


class RandomCrop(Augmentation):
    """A part of each image, from anywhere in it.

    Args:
        size: Rows and columns of the part, one number or two.
        padding: Pixels that are first added on all four sides.
        fill: What those have; 0 is black.
        generator: As of :class:`Augmentation`.

    Raises:
        ArgumentError: A number is out of range.

    Example:
        >>> from rumus.tensor import zeros
        >>> RandomCrop(32, padding=4)(zeros(8, 3, 32, 32, dtype="uint8")).shape
        (8, 3, 32, 32)
    """

    draws = 2
    size: tuple[int, int]
    padding: int
    fill: float

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int = 0,
        fill: float = 0,
        generator: Generator = default_generator,
    ) -> None:
        super().__init__(generator)
        self.size = two_lengths("RandomCrop", size)
        if padding < 0:
            raise ArgumentError(f"RandomCrop: padding is not negative, unlike {padding}")
        self.padding, self.fill = padding, fill

    def changed(self, x: Tensor, u: Tensor) -> Tensor:
        """Crop.

        Raises:
            ShapeError: The images are smaller than the part.
        """
        if self.padding:
            sides = (self.padding, self.padding)
            x = pad(x, ((0, 0), (0, 0), sides, sides), constant_values=self.fill)
        top, left = (
            whole(u[:, axis], length - part + 1).to(int32)
            for axis, (length, part) in enumerate(self._fits(x))
        )
        return _parts(x, top, left, self.size)

    def _fits(self, x: Tensor) -> list[tuple[int, int]]:
        return _lengths_that_fit(self, x, self.size)

    def extra_repr(self) -> str:
        """The size."""
        return f"{self.size}, padding={self.padding}"


class CenterCrop(Layer):
    """The middle of each image, in training and in evaluation.

    Args:
        size: Its rows and columns, one number or two.

    Raises:
        ArgumentError: The size is not positive.

    Example:
        >>> from rumus.tensor import arange
        >>> CenterCrop((1, 2))(arange(12.0).reshape((1, 1, 3, 4))).tolist()
        [[[[5.0, 6.0]]]]
    """

    size: tuple[int, int]

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = two_lengths("CenterCrop", size)

    def forward(self, x: Tensor) -> Tensor:
        """Crop.

        Raises:
            ShapeError: The images are smaller.
            DTypeError: x is neither uint8 nor floats.
        """
        check_images(self, x)
        rows, columns = (
            slice((length - part) // 2, (length - part) // 2 + part)
            for length, part in _lengths_that_fit(self, x, self.size)
        )
        return x[:, :, rows, columns]

    def extra_repr(self) -> str:
        """The size."""
        return f"{self.size}"


class RandomHorizontalFlip(Sometimes):
    """Left and right change places, with probability p.

    Args:
        p: From 0 to 1.
        generator: As of :class:`Augmentation`.

    Raises:
        ArgumentError: p is out of range.

    Example:
        >>> from rumus.tensor import arange
        >>> RandomHorizontalFlip(p=1.0)(arange(4.0).reshape((1, 1, 2, 2))).tolist()
        [[[[1.0, 0.0], [3.0, 2.0]]]]
    """

    _axis = 3

    def __init__(self, p: float = 0.5, generator: Generator = default_generator) -> None:
        super().__init__(p, generator)

    def other(self, x: Tensor) -> Tensor:
        """Flip."""
        return x.flip(self._axis)


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom change places, with probability p; as :class:`RandomHorizontalFlip`.

    Example:
        >>> from rumus.tensor import arange
        >>> RandomVerticalFlip(p=1.0)(arange(4.0).reshape((1, 1, 2, 2))).tolist()
        [[[[2.0, 3.0], [0.0, 1.0]]]]
    """

    _axis = 2


def _lengths_that_fit(layer: Layer, x: Tensor, size: tuple[int, int]) -> list[tuple[int, int]]:
    pairs = list(zip(x.shape[2:], size, strict=True))
    if any(length < part for length, part in pairs):
        raise ShapeError(f"{type(layer).__name__}: images of {x.shape[2:]} have no part of {size}")
    return pairs


def _parts(x: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """A part of each image, in one gather of the pixels where they lie."""
    n, channels, rows, columns = x.shape
    planes = arange(n * channels, dtype=int32, device=x.device).reshape((n, channels, 1, 1))
    row = top.reshape((n, 1, 1, 1)) + _line(size[0], x, 2)
    column = left.reshape((n, 1, 1, 1)) + _line(size[1], x, 3)
    return take(x, planes * (rows * columns) + row * columns + column)


def _line(length: int, like: Tensor, axis: int) -> Tensor:
    shape = [1, 1, 1, 1]
    shape[axis] = length
    return arange(length, dtype=int32, device=like.device).reshape(shape)
