"""Arrays in memory as a data set."""

from __future__ import annotations

import math
from typing import Any, Generic, overload

import numpy as np
import numpy.typing as npt

from rumus.tensor import ShapeError

from ._buffers import BufferPool
from ._dataset import Indices, checked_index, checked_indices
from ._errors import DatasetError
from ._gather import copy_rows, gathered
from ._generic import S
from ._item import DataItem, TensorLike, as_array
from ._open_batch import OpenBatch
from ._tree import ITEM, Columns, parts_of, paths_of, row_of, tree_of

_POOLED_FROM = 1 << 16  # bytes of a batch; smaller ones are cheaper to allocate anew


class ArrayDataset(Generic[S]):
    """Samples that lie along the first axes of arrays, which are not copied.

    Args:
        inputs: An array or CPU tensor, the samples along its first axis; or, without ``targets``, a
            tree of them (a tuple, list, dict or named tuple, nested as you like), of which each
            sample is a tree of the same structure.
        targets: An array or CPU tensor of the same length. The samples are then
            :class:`DataItem`.

    Raises:
        ShapeError: There is no first axis, or the lengths differ.
        DatasetError: There is no array.

    Example:
        >>> people = ArrayDataset({"age": np.array([31, 44]), "name": np.array(["Ada", "Alan"])})
        >>> people[1]["name"]
        'Alan'
    """

    @overload
    def __init__(self: ArrayDataset[DataItem], inputs: TensorLike, targets: TensorLike) -> None: ...

    @overload
    def __init__(self, inputs: S) -> None: ...

    def __init__(self, inputs: Any, targets: Any = None) -> None:
        leaves, self._structure = parts_of(inputs) if targets is None else ((inputs, targets), ITEM)
        self._arrays = [as_array(leaf) for leaf in leaves]
        if not self._arrays:
            raise DatasetError(f"a {type(inputs).__name__} with nothing in it has no samples")
        names = paths_of(self._structure)
        if self._structure is ITEM:
            names = ["inputs", "targets"]
        for name, array in zip(names, self._arrays, strict=True):
            if not array.ndim:
                raise ShapeError(f"{name or 'an array'} needs a first axis that counts the samples")
            if len(array) != len(self._arrays[0]):
                raise ShapeError(
                    f"{names[0]} of shape {self._arrays[0].shape} and {name} of shape "
                    f"{array.shape} differ in the number of samples"
                )
        self._pool = BufferPool()

    def __len__(self) -> int:
        return len(self._arrays[0])

    def __repr__(self) -> str:
        parts = zip(paths_of(self._structure), self._arrays, strict=True)
        shown = [f"{name or 'sample'} {array.dtype} {array.shape}" for name, array in parts]
        return f"ArrayDataset({len(self)} samples: {', '.join(shown)})"

    def __getitem__(self, index: int) -> S:
        index = checked_index(index, len(self))
        sample: S = row_of(Columns(self._structure, self._arrays), index)
        return sample

    def __getitems__(self, indices: Indices) -> Any:
        """A batch, in one gather for each array.

        Raises:
            IndexError: An index lies outside.
        """
        return tree_of(*self.gather_batch(indices))

    def gather_batch(self, indices: Indices) -> Columns:
        """The leaves of a batch.

        Raises:
            IndexError: An index lies outside.
        """
        numbers = checked_indices(indices, len(self))
        return Columns(self._structure, [self._taken(array, numbers) for array in self._arrays])

    def open_batch(self, indices: Indices) -> OpenBatch | None:
        """A batch whose samples are still to be copied, for a loader whose workers share that.

        Returns:
            None if the arrays are not contiguous, or have no elements.

        Raises:
            IndexError: An index lies outside.
        """
        numbers = checked_indices(indices, len(self))
        arrays = self._arrays
        if not all(array.size and array.flags.c_contiguous for array in arrays):
            return None
        places = [
            self._pool.empty((len(numbers), *array.shape[1:]), array.dtype, array)
            for array in arrays
        ]

        def fill(part: slice) -> None:
            for array, place in zip(arrays, places, strict=True):
                copy_rows(array, numbers[part], place[part])

        return OpenBatch(Columns(self._structure, places), fill)

    def _taken(self, array: npt.NDArray[Any], numbers: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        row = math.prod(array.shape[1:]) * array.itemsize
        if len(numbers) * row < _POOLED_FROM or not array.flags.c_contiguous:
            rows: npt.NDArray[Any] = array[numbers]
            return rows
        return gathered(array, numbers, self._pool)
