"""What a data set is to the loader."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from ._errors import DatasetError
from ._generic import S, S_co
from ._item import DataItem, as_array
from ._tree import ITEM, TEXT, checked_tree, parts_of, paths_of

Indices: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]]
BatchGetter: TypeAlias = Callable[[Indices], Any]


@runtime_checkable
class Dataset(Protocol[S_co]):
    """Samples by number: all that a loader needs.

    A sample is a :class:`DataItem`, or a tree (a tuple, list, dict or named tuple, nested as you
    like) of arrays, tensors, numbers and text. All samples have one structure.

    A data set that can give many samples at once better than one by one also has
    ``__getitems__(indices)``, which gives a batch: the same structure, with leaves whose first axis
    counts the samples. A subclass that changes ``__getitem__`` alone is asked sample by sample.

    Example:
        >>> class Squares:
        ...     def __len__(self):
        ...         return 4
        ...     def __getitem__(self, index):
        ...         return DataItem(np.float32(index), np.float32(index**2))
        >>> [batch.target.tolist() for batch in DataLoader(Squares(), batch_size=2)]
        [[0.0, 1.0], [4.0, 9.0]]
    """

    def __len__(self) -> int:
        """The number of samples."""
        ...

    def __getitem__(self, index: int, /) -> S_co:
        """The sample of a number from 0 to ``len - 1``."""
        ...


class ItemDataset(Protocol):
    """A data set of :class:`DataItem`, for pyright, whose overloads lose ``Dataset[DataItem]``."""

    def __len__(self) -> int:
        """The number of samples."""
        ...

    def __getitem__(self, index: int, /) -> DataItem:
        """The sample of a number."""
        ...


def batch_getter(dataset: Dataset[Any]) -> BatchGetter | None:
    """The data set's ``__getitems__``; None if a subclass changes ``__getitem__`` alone."""
    if "__getitems__" not in getattr(dataset, "__dict__", ()):
        for kind in type(dataset).__mro__:
            if "__getitems__" in vars(kind):
                break
            if "__getitem__" in vars(kind):
                return None
    getter: BatchGetter | None = getattr(dataset, "__getitems__", None)
    return getter


def described(given: object) -> str:
    """A data set or a sampler in words; of a list, which may be either, not what is in it."""
    if isinstance(given, (list, tuple)):
        return f"a {type(given).__name__} of {len(given)}"
    return repr(given)


def checked_dataset(name: str, value: Dataset[S]) -> Dataset[S]:
    """The value, if it can be a data set.

    Raises:
        ArgumentError: It has no length, or gives nothing by number.
    """
    if not isinstance(value, Dataset):
        raise ArgumentError(
            f"{name} must have __len__ and __getitem__, which a {type(value).__name__} has not"
        )
    if isinstance(value, tuple) and value and all(getattr(part, "shape", ()) for part in value):
        raise ArgumentError(
            f"{name} is a tuple of {len(value)} arrays, which would be {len(value)} samples; "
            "ArrayDataset(inputs, targets) has their rows as samples"
        )
    return value


def checked_batch(batch: Any, source: str, count: int | None = None) -> Any:
    """The batch that something gave, which keeps what a batch promises.

    Args:
        batch: What it gave.
        source: What it was, for errors.
        count: How many samples were asked for; None if it may give any number.

    Raises:
        DatasetError: It is no tree of arrays, numbers and text, or does not have that many samples
            in every part.
    """
    checked_tree(batch, source)
    if count is not None:
        leaves, structure = parts_of(batch)
        for place, leaf in enumerate(leaves):
            if isinstance(leaf, TEXT) and structure is not ITEM:
                continue  # a list of text has the structure's place of a container
            shape = leaf.shape if hasattr(leaf, "shape") else as_array(leaf).shape
            if not shape or shape[0] != count:
                name = paths_of(structure)[place]
                name = f"{name}s" if structure is ITEM else name
                raise DatasetError(
                    f"{source} {f'has {name}' if name else 'is'} of shape {shape}, where {count} "
                    "samples were asked for; the first axis counts them"
                )
    return batch


def checked_index(index: int, length: int) -> int:
    """The index counted from the front.

    Raises:
        ArgumentError: It is no integer.
        IndexError: It lies outside the data set.
    """
    if type(index) is not int:
        index = _integer(index)
    if -length <= index < length:
        return index + length if index < 0 else index
    raise IndexError(f"index {index} is outside a data set of {length} samples")


def checked_indices(indices: Indices, length: int) -> npt.NDArray[np.intp]:
    """Indices counted from the front, as an array of numpy's index type.

    Raises:
        ArgumentError: They are no integers, or no row of them.
        IndexError: One of them lies outside the data set.
    """
    array: npt.NDArray[Any] = indices if isinstance(indices, np.ndarray) else _array_of(indices)
    if array.ndim != 1:
        raise ArgumentError(f"indices are a row of numbers, not of shape {array.shape}")
    if array.dtype.kind not in "iu" and array.size:
        raise ArgumentError(
            f"samples are numbered by integers, not by {array.dtype} such as {array.flat[0]!r}"
            + ("; np.flatnonzero(mask) makes numbers of a mask" if array.dtype == bool else "")
        )
    if array.dtype.kind == "u" and array.size and array.max() >= length:
        checked_index(int(array.max()), length)  # before a very large one becomes negative
    numbers: npt.NDArray[np.intp] = array.astype(np.intp, copy=False)
    # seen as unsigned, a negative index is larger than any length: one pass instead of two
    if not numbers.size or np.maximum.reduce(numbers.view(np.uintp)) < length:
        return numbers
    low, high = numbers.min(), numbers.max()
    if low < -length or high >= length:
        checked_index(int(high if high >= length else low), length)
    return numbers if low >= 0 else np.where(numbers < 0, numbers + length, numbers)


def _array_of(indices: Indices) -> npt.NDArray[Any]:
    if not isinstance(indices, range):
        for index in indices:
            if isinstance(index, bool | np.bool_):  # which numpy would count among integers
                raise ArgumentError(
                    f"samples are numbered by integers, not by {index}; np.flatnonzero(mask) makes "
                    "numbers of a mask"
                )
    try:
        return np.asarray(indices)
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"indices are a row of numbers: {error}") from None


def _integer(value: object) -> int:
    try:
        if not isinstance(value, bool | np.bool_):
            return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        pass
    raise ArgumentError(f"samples are numbered by integers, not by {value!r}")
