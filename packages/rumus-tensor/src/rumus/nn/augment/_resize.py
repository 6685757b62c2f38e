"""Images, or parts of them, in another size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rumus._backends.generator import Generator, default_generator
from rumus._core.dtypes import float32
from rumus.tensor._creation import full, zeros
from rumus.tensor._spaced import arange
from rumus.tensor._tensor import Tensor

from .._layer import Layer
from ._base import (
    Augmentation,
    a_range,
    as_floats,
    as_given,
    between,
    check_images,
    two_lengths,
    whole,
)


class Resize(Layer):
    """Images in another size, in training and in evaluation: bilinear and antialiased.

    As Pillow does it: what stands for several pixels takes part of each. See
    :func:`~rumus.nn.functional.interpolate`.

    Args:
        size: Rows and columns, one number or two.

    Raises:
        ArgumentError: The size is not positive.

    Example:
        >>> from rumus.tensor import zeros
        >>> Resize((24, 32))(zeros(2, 3, 100, 80, dtype="uint8")).shape
        (2, 3, 24, 32)
    """

    size: tuple[int, int]

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = two_lengths("Resize", size)

    def forward(self, x: Tensor) -> Tensor:
        """Resize.

        Raises:
            ShapeError: x is not of shape (N, C, H, W).
            DTypeError: x is neither uint8 nor floats.
        """
        check_images(self, x)
        if x.shape[2:] == self.size:
            return x
        weights = [
            _weights(zeros(1, device=x.device), full(1, float(n), device=x.device), n, wanted)
            for n, wanted in zip(x.shape[2:], self.size, strict=True)
        ]
        return _resized(x, *weights)

    def extra_repr(self) -> str:
        """The size."""
        return f"{self.size}"


class RandomResizedCrop(Augmentation):
    """A part of each image, of random area and shape and from anywhere, in one size.

    Szegedy et al., arXiv:1409.4842; bilinear and antialiased, as :class:`Resize`. A part that would
    be wider or higher than the image is as wide or high as the image.

    Args:
        size: Rows and columns of the result, one number or two.
        scale: The area of the part, as shares of the image: from and to.
        ratio: Columns to rows of the part, from and to; even on a logarithmic scale.
        generator: As of :class:`Augmentation`.

    Raises:
        ArgumentError: A number is out of range.

    Example:
        >>> from rumus.tensor import zeros
        >>> RandomResizedCrop(24)(zeros(2, 3, 100, 80, dtype="uint8")).shape
        (2, 3, 24, 24)
    """

    draws = 4
    size: tuple[int, int]
    scale: tuple[float, float]
    ratio: tuple[float, float]

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        generator: Generator = default_generator,
    ) -> None:
        super().__init__(generator)
        self.size = two_lengths("RandomResizedCrop", size)
        self.scale, self.ratio = part_of_an_image("RandomResizedCrop", scale, ratio)

    def changed(self, x: Tensor, u: Tensor) -> Tensor:
        """Crop and resize."""
        lengths = part_lengths(x, u[:, 0], u[:, 1], self.scale, self.ratio)
        weights = [
            _weights(whole(u[:, 2 + axis], length - part + 1), part, length, wanted)
            for axis, (length, part, wanted) in enumerate(
                zip(x.shape[2:], lengths, self.size, strict=True)
            )
        ]
        return _resized(x, *weights)

    def extra_repr(self) -> str:
        """The size and the ranges."""
        return f"{self.size}, scale={self.scale}, ratio={self.ratio}"


def _resized(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Images by what each pixel counts in each row and column of the result: two products."""
    y = as_floats(x) @ columns.transpose(1, 2).unsqueeze(1)
    return as_given(rows.unsqueeze(1) @ y, x)


def part_of_an_image(
    name: str, scale: Sequence[float], ratio: Sequence[float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ranges of a part's area and shape.

    Raises:
        ArgumentError: They are no ranges, or too far.
    """
    return (
        a_range(name, "scale", scale, most=1.0),
        a_range(name, "ratio", ratio, least=2.0**-10, most=2.0**10),
    )


def part_lengths(
    x: Tensor, area: Tensor, shape: Tensor, scale: Sequence[float], ratio: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Rows and columns of a part of each image, whole numbers as floats."""
    rows, columns = x.shape[2:]
    pixels = between(area, *scale) * float(rows * columns)
    wider = between(shape, math.log(ratio[0]), math.log(ratio[1])).exp()
    return (
        (pixels / wider).sqrt().round().clip(1, rows),
        (pixels * wider).sqrt().round().clip(1, columns),
    )


def _weights(start: Tensor, part: Tensor, length: int, count: int) -> Tensor:
    """How each pixel of a line takes part in each of the result, of shape (N, count, length).

    A triangle around each centre, as in ``interpolate`` with ``antialias``, of a part of the line.
    """
    start, part = start.reshape((-1, 1, 1)), part.reshape((-1, 1, 1))
    step = part / count
    places = arange(count, dtype=float32, device=start.device).reshape((1, count, 1))
    pixels = arange(length, dtype=float32, device=start.device)
    centres = start + (places + 0.5) * step
    weights = (1.0 - (pixels + 0.5 - centres).abs() / step.clip(1.0, None)).clip(0.0, None)
    inside = (pixels >= start) & (pixels < start + part)
    weights = weights * inside.to(float32)
    return weights / weights.sum(2, keepdims=True)
