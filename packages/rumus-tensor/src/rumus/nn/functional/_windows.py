"""How windows over one or two axes are given: one number, or one an axis."""

from __future__ import annotations

from collections.abc import Sequence

from rumus._core.errors import ArgumentError
from rumus._core.shapes import Shape, whole_numbers

Lengths = int | Sequence[int]


def lengths_of(name: str, what: str, given: Lengths, axes: int, least: int = 1) -> Shape:
    """A number for each axis.

    Args:
        name: Of the function.
        what: Of the argument.
        given: One number for all, or one an axis.
        axes: How many.
        least: The least that each may be.

    Raises:
        ArgumentError: They are not so many, no whole numbers, or too small.
    """
    numbers = whole_numbers(f"{name}: {what}", given)
    numbers = numbers * axes if len(numbers) == 1 else numbers
    if len(numbers) != axes or min(numbers) < least:
        wanted = f"one number or {axes}" if axes > 1 else "one number"
        raise ArgumentError(f"{name}: {what} is {wanted}, at least {least}, not {given!r}")
    return numbers


def two(lengths: Sequence[int], last: int) -> tuple[int, int]:
    """Lengths of one axis as those of planes of one column, which has ``last``."""
    rows, columns = (*lengths, last)[:2]
    return rows, columns
