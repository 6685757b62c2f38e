"""Images turned, moved, scaled and sheared."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rumus._backends.generator import Generator, default_generator
from rumus._core.errors import ArgumentError
from rumus.tensor._joining import stack
from rumus.tensor._tensor import Tensor

from ..functional import affine_grid, grid_sample
from ._base import Augmentation, a_range, as_floats, as_given, between


class RandomAffine(Augmentation):
    """Images turned around their middle, scaled, sheared and moved, in one step, bilinear.

    Args:
        degrees: The angle, from and to; of one number d, from -d to d. Positive ones turn
            clockwise.
        translate: How far to the sides, and up and down, at most, as shares of width and height.
        scale: From and to.
        shear: The angle by which vertical lines lean, from and to; of one number as ``degrees``.
        fill: What is outside of an image; 0 is black.
        generator: As of :class:`Augmentation`.

    Raises:
        ArgumentError: A number is out of range.

    Example:
        >>> from rumus.tensor import zeros
        >>> RandomAffine(15, translate=(0.1, 0.1))(zeros(2, 3, 32, 32)).shape
        (2, 3, 32, 32)
    """

    draws = 5
    degrees: tuple[float, float]
    shear: tuple[float, float]
    scale: tuple[float, float]
    translate: tuple[float, float]

    def __init__(
        self,
        degrees: float | Sequence[float] = 0.0,
        translate: Sequence[float] = (0.0, 0.0),
        scale: Sequence[float] = (1.0, 1.0),
        shear: float | Sequence[float] = 0.0,
        fill: float = 0.0,
        generator: Generator = default_generator,
    ) -> None:
        super().__init__(generator)
        self.degrees = _angles("degrees", degrees, 360.0)
        self.shear = _angles("shear", shear, 89.0)
        self.scale = a_range("RandomAffine", "scale", scale, least=1e-6)
        if len(translate) != 2 or not all(0 <= share <= 1 for share in translate):
            raise ArgumentError(
                f"RandomAffine: translate is two shares from 0 to 1, not {translate}"
            )
        self.translate = float(translate[0]), float(translate[1])
        self.fill = fill

    def changed(self, x: Tensor, u: Tensor) -> Tensor:
        """Turn."""
        rows, columns = x.shape[2:]
        angle, lean = (
            between(u[:, k], *limits) * (math.pi / 180)
            for k, limits in ((0, self.degrees), (1, self.shear))
        )
        larger = between(u[:, 2], *self.scale)
        right, down = (
            between(u[:, 3 + k], -share, share) * (2.0 * length / columns)
            for k, (share, length) in enumerate(zip(self.translate, (columns, rows), strict=True))
        )
        # From the result back to the source, in halves of a width: moved, turned, scaled, leant.
        cos, sin, tan = angle.cos() / larger, angle.sin() / larger, lean.sin() / lean.cos()
        across = cos - tan * sin, sin + tan * cos
        along = -sin, cos
        tall = rows / columns
        theta = [
            stack([a, b * tall, -(a * right + b * down)], 1) * (1.0 if k == 0 else 1.0 / tall)
            for k, (a, b) in enumerate((across, along))
        ]
        grid = affine_grid(stack(theta, 1), x.shape)
        y = grid_sample(as_floats(x) - self.fill, grid) + self.fill
        return as_given(y, x)

    def extra_repr(self) -> str:
        """The ranges."""
        return (
            f"degrees={self.degrees}, translate={self.translate}, scale={self.scale}, "
            f"shear={self.shear}"
        )


def _angles(what: str, given: float | Sequence[float], most: float) -> tuple[float, float]:
    pair = (-given, given) if isinstance(given, int | float) else given
    return a_range("RandomAffine", what, pair, -most, most)
