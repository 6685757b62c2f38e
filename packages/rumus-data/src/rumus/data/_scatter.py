"""A batch whose samples come from several places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._buffers import BufferPool
from ._tree import Columns

IndexArray: TypeAlias = npt.NDArray[np.intp]


def scattered(
    numbers: IndexArray,
    starts: Sequence[int] | IndexArray,
    fetch: Callable[[int, IndexArray, IndexArray | None], Columns | None],
    pool: BufferPool,
) -> Columns | None:
    """The leaves of samples that lie in several parts.

    Args:
        numbers: At least one number of a sample, counted over all parts.
        starts: The number of the first sample of each part, and the number of all samples.
        fetch: Gives samples of a part by their numbers within it, or None; it is told at which
            positions of ``numbers`` they are, None where all of them are in one part.
        pool: Where the memory of the result comes from.

    Returns:
        None if a part gave None, or if parts differ in structure, dtype or shape.
    """
    first = int(np.searchsorted(starts, numbers.min(), side="right")) - 1
    if numbers.max() < starts[first + 1]:
        return fetch(first, numbers - starts[first] if first else numbers, None)
    parts = np.searchsorted(starts, numbers, side="right") - 1
    whole: Columns | None = None
    for part in np.unique(parts).tolist():
        places = np.flatnonzero(parts == part)
        columns = fetch(part, numbers[places] - starts[part], places)
        if columns is None:
            return None
        structure, arrays = columns
        if whole is None:
            whole = Columns(structure, [_like(array, len(numbers), pool) for array in arrays])
        if structure != whole.structure:
            return None
        for target, piece in zip(whole.arrays, arrays, strict=True):
            if (target.dtype, target.shape[1:]) != (piece.dtype, piece.shape[1:]):
                return None
            target[places] = piece
    return whole


def _like(array: npt.NDArray[Any], length: int, pool: BufferPool) -> npt.NDArray[Any]:
    return pool.empty((length, *array.shape[1:]), array.dtype)
