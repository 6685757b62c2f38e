"""A batch whose samples come from several places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._buffers import BufferPool
from ._gather import Pair

IndexArray: TypeAlias = npt.NDArray[np.intp]


def scattered(
    numbers: IndexArray,
    starts: Sequence[int] | IndexArray,
    fetch: Callable[[int, IndexArray, IndexArray | None], Pair | None],
    pool: BufferPool,
) -> Pair | None:
    """The inputs and the targets of samples that lie in several parts.

    Args:
        numbers: At least one number of a sample, counted over all parts.
        starts: The number of the first sample of each part, and the number of all samples.
        fetch: Gives samples of a part by their numbers within it, or None; it is told at which
            positions of ``numbers`` they are, None where all of them are in one part.
        pool: Where the memory of the result comes from.

    Returns:
        None if a part gave None, or if parts differ in dtype or shape.
    """
    first = int(np.searchsorted(starts, numbers.min(), side="right")) - 1
    if numbers.max() < starts[first + 1]:
        return fetch(first, numbers - starts[first] if first else numbers, None)
    parts = np.searchsorted(starts, numbers, side="right") - 1
    whole: Pair | None = None
    for part in np.unique(parts).tolist():
        places = np.flatnonzero(parts == part)
        pair = fetch(part, numbers[places] - starts[part], places)
        if pair is None:
            return None
        if whole is None:
            whole = _like(pair[0], len(numbers), pool), _like(pair[1], len(numbers), pool)
        for target, piece in zip(whole, pair, strict=True):
            if (target.dtype, target.shape[1:]) != (piece.dtype, piece.shape[1:]):
                return None
            target[places] = piece
    return whole


def _like(array: npt.NDArray[Any], length: int, pool: BufferPool) -> npt.NDArray[Any]:
    return pool.empty((length, *array.shape[1:]), array.dtype)
