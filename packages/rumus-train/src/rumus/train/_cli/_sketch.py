"""A curve drawn with characters."""

from __future__ import annotations

import math
from collections.abc import Sequence

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of a braille character, the bits of its four rows of two dots."""


def sketch(
    steps: Sequence[float],
    values: Sequence[float],
    span: tuple[float, float, float, float],
    width: int = 60,
    height: int = 8,
) -> list[str]:
    """Lines of braille characters with a curve's points.

    Args:
        steps: Where the points are.
        values: Their height; what is not finite is left out.
        span: The first and last step, the lowest and highest value of the picture.
        width: In characters.
        height: In characters.
    """  # fmt: skip
    first, last, low, high = span
    cells = [[0] * width for _ in range(height)]
    for step, value in zip(steps, values, strict=True):
        if not math.isfinite(value):
            continue
        x = round((step - first) / ((last - first) or 1) * (2 * width - 1))
        y = round((high - value) / ((high - low) or 1) * (4 * height - 1))
        cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return ["".join(chr(0x2800 + cell) for cell in row) for row in cells]
