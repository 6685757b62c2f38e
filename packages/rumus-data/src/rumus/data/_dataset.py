"""What a data set is to the loader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from ._item import DataItem

Indices: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]]
BatchGetter: TypeAlias = Callable[[Indices], DataItem]


@runtime_checkable
class Dataset(Protocol):
    """Samples by number: all that a loader needs.

    A data set that can give many samples at once better than one by one also has
    ``__getitems__(indices) -> DataItem``, which gives a batch whose first axis counts the samples.
    A subclass that changes ``__getitem__`` alone is asked sample by sample.
    """

    def __len__(self) -> int:
        """The number of samples."""
        ...

    def __getitem__(self, index: int, /) -> DataItem:
        """The sample of a number from 0 to ``len - 1``."""
        ...


def batch_getter(dataset: Dataset) -> BatchGetter | None:
    """The data set's ``__getitems__``; None if a subclass changes ``__getitem__`` alone."""
    if "__getitems__" not in getattr(dataset, "__dict__", ()):
        for kind in type(dataset).__mro__:
            if "__getitems__" in vars(kind):
                break
            if "__getitem__" in vars(kind):
                return None
    getter: BatchGetter | None = getattr(dataset, "__getitems__", None)
    return getter


def checked_index(index: int, length: int) -> int:
    """The index counted from the front.

    Raises:
        IndexError: It lies outside the data set.
    """
    if -length <= index < length:
        return index + length if index < 0 else index
    raise IndexError(f"index {index} is outside a data set of {length} samples")


def checked_indices(indices: Indices, length: int) -> npt.NDArray[np.intp]:
    """Indices counted from the front, as an array of numpy's index type.

    Raises:
        ArgumentError: They are no integers.
        IndexError: One of them lies outside the data set.
    """
    array = np.asarray(indices)
    if array.dtype.kind not in "iu" and array.size:
        raise ArgumentError(
            f"samples are numbered by integers, not by {array.dtype} such as {array.flat[0]!r}"
            + ("; np.flatnonzero(mask) makes numbers of a mask" if array.dtype == bool else "")
        )
    array = array.astype(np.intp, copy=False)
    # seen as unsigned, a negative index is larger than any length: one pass instead of two
    if not array.size or np.maximum.reduce(array.view(np.uintp)) < length:
        return array
    low, high = array.min(), array.max()
    if low < -length or high >= length:
        checked_index(int(high if high >= length else low), length)
    return array if low >= 0 else np.where(array < 0, array + length, array)
