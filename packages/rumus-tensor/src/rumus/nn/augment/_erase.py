"""Parts of images painted over."""

from __future__ import annotations

from collections.abc import Sequence

from rumus._backends.generator import Generator, default_generator
from rumus._core.dtypes import float32
from rumus.tensor._scattering import masked_fill
from rumus.tensor._spaced import arange
from rumus.tensor._tensor import Tensor

from ._base import Augmentation, a_share, whole
from ._resize import part_lengths, part_of_an_image


class RandomErasing(Augmentation):
    """A rectangle of each image painted over, with probability p.

    Zhong et al., arXiv:1708.04896. A square of one size in every image, as in Cutout (DeVries and
    Taylor, arXiv:1708.04552), is ``RandomErasing(1.0, (share, share), (1.0, 1.0))``.

    Args:
        p: From 0 to 1.
        scale: The area of the rectangle, as shares of the image: from and to.
        ratio: Its columns to rows, from and to; even on a logarithmic scale.
        fill: What it has then; 0 is black.
        generator: As of :class:`Augmentation`.

    Raises:
        ArgumentError: A number is out of range.

    Example:
        >>> from rumus.tensor import ones
        >>> RandomErasing(1.0, (0.25, 0.25), (1.0, 1.0))(ones(1, 1, 4, 4)).sum().item()
        12.0
    """

    draws = 5
    p: float
    fill: float
    scale: tuple[float, float]
    ratio: tuple[float, float]

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        fill: float = 0,
        generator: Generator = default_generator,
    ) -> None:
        super().__init__(generator)
        self.p, self.fill = a_share("RandomErasing", p), fill
        self.scale, self.ratio = part_of_an_image("RandomErasing", scale, ratio)

    def changed(self, x: Tensor, u: Tensor) -> Tensor:
        """Erase."""
        rows, columns = part_lengths(x, u[:, 1], u[:, 2], self.scale, self.ratio)
        inside = rectangle(x, rows, columns, u[:, 3], u[:, 4])
        return masked_fill(x, inside & (u[:, 0].reshape((-1, 1, 1, 1)) < self.p), self.fill)

    def extra_repr(self) -> str:
        """The probability and the ranges."""
        return f"p={self.p}, scale={self.scale}, ratio={self.ratio}"


def rectangle(x: Tensor, rows: Tensor, columns: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """True in a rectangle of each image, somewhere in it, of shape (N, 1, H, W)."""
    masks = []
    for length, part, u in zip(x.shape[2:], (rows, columns), (down, right), strict=True):
        start = whole(u, length - part + 1).reshape((-1, 1))
        line = arange(length, dtype=float32, device=x.device)
        masks.append((line >= start) & (line < start + part.reshape((-1, 1))))
    return masks[0].unsqueeze(2).unsqueeze(1) & masks[1].unsqueeze(1).unsqueeze(1)
