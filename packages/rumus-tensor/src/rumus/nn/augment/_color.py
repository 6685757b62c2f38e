"""Colours changed."""

from __future__ import annotations

from collections.abc import Sequence

from rumus._backends.generator import Generator, default_generator
from rumus._core.dtypes import uint8
from rumus._core.errors import ShapeError
from rumus.tensor._joining import cat, where
from rumus.tensor._tensor import Tensor

from .._layer import Layer
from ._base import Augmentation, Sometimes, a_range, as_floats, as_given, between, for_images

_LUMINANCE = (0.2989, 0.587, 0.114)  # ITU-R BT.601


class ColorJitter(Augmentation):
    """Brightness, contrast, saturation and hue changed, in this order.

    Brightness multiplies; contrast goes away from the image's mean grey, and saturation from each
    pixel's own; each by a factor that 1 stands in the middle of. Hue turns the colour circle.

    Args:
        brightness: The factor, from and to; of one number b, from 1 - b (or 0) to 1 + b.
        contrast: The same.
        saturation: The same; other than 0 it takes images of three channels.
        hue: Turns, from and to, between -0.5 and 0.5; of one number h, from -h to h. Other than 0
            it takes images of three channels.
        generator: As of :class:`Augmentation`.

    Raises:
        ArgumentError: A number is out of range.

    Example:
        >>> from rumus.tensor import zeros
        >>> ColorJitter(0.4, 0.4, 0.4, 0.1)(zeros(2, 3, 8, 8, dtype="uint8")).dtype
        dtype('uint8')
    """

    draws = 4
    brightness: tuple[float, float]
    contrast: tuple[float, float]
    saturation: tuple[float, float]
    hue: tuple[float, float]

    def __init__(
        self,
        brightness: float | Sequence[float] = 0.0,
        contrast: float | Sequence[float] = 0.0,
        saturation: float | Sequence[float] = 0.0,
        hue: float | Sequence[float] = 0.0,
        generator: Generator = default_generator,
    ) -> None:
        super().__init__(generator)
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        turns = (-hue, hue) if isinstance(hue, int | float) else hue
        self.hue = a_range("ColorJitter", "hue", turns, -0.5, 0.5)

    def changed(self, x: Tensor, u: Tensor) -> Tensor:
        """Change.

        Raises:
            ShapeError: The images have no three channels, which saturation and hue are of.
        """
        most = 255.0 if x.dtype == uint8 else 1.0
        y = as_floats(x)
        if self.brightness != (1.0, 1.0):
            y = (y * self._drawn(u, 0, self.brightness)).clip(0.0, most)
        if self.contrast != (1.0, 1.0):
            grey = luminance(y) if y.shape[1] == 3 else y
            mean = grey.mean((1, 2, 3), keepdims=True)
            y = _away(y, mean, self._drawn(u, 1, self.contrast), most)
        if self.saturation != (1.0, 1.0):
            _check_colours(self, y)
            y = _away(y, luminance(y), self._drawn(u, 2, self.saturation), most)
        if self.hue != (0.0, 0.0):
            _check_colours(self, y)
            y = _turned(y, self._drawn(u, 3, self.hue))
        return as_given(y, x)

    def extra_repr(self) -> str:
        """The ranges."""
        names = "brightness", "contrast", "saturation", "hue"
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)

    @staticmethod
    def _drawn(u: Tensor, column: int, limits: tuple[float, float]) -> Tensor:
        return between(for_images(u, column), *limits)


class RandomGrayscale(Sometimes):
    """Images without their colours, with probability p; they keep three channels.

    Args:
        p: From 0 to 1.
        generator: As of :class:`Augmentation`.

    Raises:
        ArgumentError: p is out of range.

    Example:
        >>> from rumus.tensor import tensor
        >>> red = tensor([255, 0, 0], dtype="uint8").reshape((1, 3, 1, 1))
        >>> RandomGrayscale(p=1.0)(red).flatten().tolist()
        [76, 76, 76]
    """

    def __init__(self, p: float = 0.1, generator: Generator = default_generator) -> None:
        super().__init__(p, generator)

    def other(self, x: Tensor) -> Tensor:
        """Take the colours away.

        Raises:
            ShapeError: The images have no three channels.
        """
        _check_colours(self, x)
        return as_given(luminance(as_floats(x)), x)


def luminance(x: Tensor) -> Tensor:
    """How bright each pixel looks, as one channel."""
    red, green, blue = (x[:, k : k + 1] * weight for k, weight in enumerate(_LUMINANCE))
    return red + green + blue


def _away(x: Tensor, middle: Tensor, factor: Tensor, most: float) -> Tensor:
    return (middle + (x - middle) * factor).clip(0.0, most)


def _turned(x: Tensor, turns: Tensor) -> Tensor:
    """Colours further round the circle of hue, as bright and as saturated (Smith, 1978)."""
    red, green, blue = (x[:, k : k + 1] for k in range(3))
    high, low = x.max(1, keepdims=True), x.min(1, keepdims=True)
    chroma = high - low
    one = where(chroma > 0, chroma, 1.0)
    sixths = where(
        high == red,
        (green - blue) / one,
        where(high == green, (blue - red) / one + 2.0, (red - green) / one + 4.0),
    )
    hue = sixths + turns * 6.0
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = hue + offset
        k = k - (k / 6.0).floor() * 6.0
        channels.append(high - chroma * k.minimum(4.0 - k).clip(0.0, 1.0))
    return cat(channels, 1)


def _factors(what: str, given: float | Sequence[float]) -> tuple[float, float]:
    if isinstance(given, int | float):
        given = (max(0.0, 1.0 - given), 1.0 + given)
    return a_range("ColorJitter", what, given)


def _check_colours(layer: Layer, x: Tensor) -> None:
    if x.shape[1] != 3:
        raise ShapeError(
            f"{type(layer).__name__} takes images of red, green and blue, (N, 3, H, W), not "
            f"{x.shape}"
        )
