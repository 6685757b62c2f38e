"""Samples that are copied under each other, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ._buffers import BufferPool
from ._dataset import Dataset, Indices
from ._tree import Columns, column_of_tensors

_COPIED_BELOW = 1 << 16  # bytes of several batches


def gathered_batch(dataset: Dataset[Any], indices: Indices) -> Columns | None:
    """The leaves of a batch; None if they are no mere copy of alike samples."""
    gather = getattr(dataset, "gather_batch", None)
    columns: Columns | None = None if gather is None else gather(indices)
    return columns


def gathered_batches(
    dataset: Dataset[Any], parts: Sequence[npt.NDArray[Any]], joined: bool
) -> list[Columns] | None:
    """Several batches in dtypes of tensors.

    Args:
        dataset: The samples.
        parts: The samples of each batch, at least one.
        joined: Whether the batches are parts of one gather, views of it unless they are small.

    Returns:
        None if they are no mere copy of alike samples.
    """
    if joined:
        whole = gathered_batch(dataset, np.concatenate(parts))
        if whole is None:
            return None
        structure, arrays = whole
        places = [slice(*ends) for ends in pairwise(accumulate(map(len, parts), initial=0))]
        cut = [_cut(column_of_tensors(array, structure), places) for array in arrays]
        return [Columns(structure, columns) for columns in zip(*cut, strict=True)]
    batches = []
    for part in parts:
        batch = gathered_batch(dataset, part)
        if batch is None:
            return None
        structure, arrays = batch
        columns = [column_of_tensors(array, structure) for array in arrays]
        batches.append(Columns(structure, columns))
    return batches


def _cut(array: npt.NDArray[Any], places: Sequence[slice]) -> list[npt.NDArray[Any]]:
    views = [array[place] for place in places]
    return [view.copy() for view in views] if array.nbytes < _COPIED_BELOW else views


def gathered(
    rows: npt.NDArray[Any], numbers: npt.NDArray[np.intp], pool: BufferPool
) -> npt.NDArray[Any]:
    """Some rows in one copy.

    Args:
        rows: What to copy from, along its first axis; contiguous, and no row is empty.
        numbers: Which rows; all are inside.
        pool: Where the memory of the result comes from.
    """
    batch = pool.empty((len(numbers), *rows.shape[1:]), rows.dtype, rows)
    copy_rows(rows, numbers, batch)
    return batch


def copy_rows(rows: npt.NDArray[Any], numbers: npt.NDArray[np.intp], out: npt.NDArray[Any]) -> None:
    """The same into memory that is there already, of the rows' dtype and shape."""
    # The processor waits for the first element of all rows at once here, and then for one row
    # after the other no more: scattered rows of a few KiB are copied a quarter faster.
    # mode="clip" because numpy copies `out` first in its default mode.
    rows.reshape(-1).take(numbers * math.prod(rows.shape[1:]), mode="clip")
    rows.take(numbers, axis=0, out=out, mode="clip")
