"""A curve drawn with characters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of a braille character, the bits of its four rows of two dots."""


def sketch(
    steps: Sequence[float],
    values: Sequence[float],
    span: tuple[float, float, float, float],
    width: int = 60,
    height: int = 8,
) -> list[str]:
    """Lines of braille characters with a curve.

    Args:
        steps: Where the points are.
        values: Their height; what is not finite is left out.
        span: The first and last step, the lowest and highest value of the picture.
        width: In characters.
        height: In characters.
    """  # fmt: skip
    first, last, low, high = span
    cells = [[0] * width for _ in range(height)]
    points = [
        (
            (step - first) / ((last - first) or 1) * (2 * width - 1),
            (high - value) / ((high - low) or 1) * (4 * height - 1),
        )
        for step, value in zip(steps, values, strict=True)
        if math.isfinite(value)
    ]
    for x, y in _joined(points):
        cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return ["".join(chr(0x2800 + cell) for cell in row) for row in cells]


def fitting(line: str, encoding: str) -> str:
    """A line as a terminal of an encoding can show it: in stars, where it has no braille."""
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        return "".join(" " if character == chr(0x2800) else "*" for character in line)
    return line


def _joined(points: Sequence[tuple[float, float]]) -> Iterator[tuple[int, int]]:
    """The dots of the points, and of the lines between them."""
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], *points[-1:]], strict=True):
        count = max(1, round(max(abs(x1 - x0), abs(y1 - y0))))
        for k in range(count):
            yield round(x0 + (x1 - x0) * k / count), round(y0 + (y1 - y0) * k / count)
