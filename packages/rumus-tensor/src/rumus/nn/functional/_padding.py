"""Padding under PyTorch's names."""

from __future__ import annotations

from collections.abc import Sequence

from rumus._core.errors import ArgumentError
from rumus._core.shapes import whole_numbers
from rumus.tensor._padding import PadMode, padded
from rumus.tensor._tensor import Tensor

from ._loss_checks import check_tensors


def pad(x: Tensor, pad: Sequence[int], mode: PadMode = "constant", value: float = 0.0) -> Tensor:
    """Put elements around the last axes of a tensor, or cut them off where a number is negative.

    Args:
        x: Any tensor.
        pad: ``(before, after)`` of the last axis, then of the one before it, and so on.
        mode: ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``; see
            :func:`rumus.tensor.pad`.
        value: What ``"constant"`` puts there.

    Raises:
        ArgumentError: The mode is unknown, or the numbers are no pairs or too many.
        ShapeError: There is nothing to repeat along a padded axis.

    Example:
        >>> from rumus.nn import functional as F
        >>> from rumus.tensor import ones
        >>> F.pad(ones((1, 2)), (1, 0, 0, 1)).tolist()
        [[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """
    check_tensors("pad", x)
    numbers = whole_numbers("pad", pad)
    if len(numbers) % 2 or len(numbers) > 2 * x.ndim:
        raise ArgumentError(f"pad takes pairs for at most {x.ndim} axes of {x.shape}, not {pad!r}")
    pairs = [(numbers[i], numbers[i + 1]) for i in range(0, len(numbers), 2)]
    sides = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    return padded("pad", x, sides, mode, value)
