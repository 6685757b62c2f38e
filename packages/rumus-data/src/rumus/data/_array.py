"""Arrays in memory as a data set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ShapeError

from ._buffers import BufferPool
from ._dataset import Indices, checked_index, checked_indices
from ._gather import Pair, copy_rows, gathered
from ._item import DataItem, TensorLike, as_array
from ._open_batch import OpenBatch

_POOLED_FROM = 1 << 16  # bytes of a batch; smaller ones are cheaper to allocate anew


class ArrayDataset:
    """Inputs and targets that lie along the first axis of two arrays, which are not copied.

    Args:
        inputs: An array or CPU tensor, the samples along its first axis.
        targets: The same, of the same length.

    Raises:
        ShapeError: There is no first axis, or the lengths differ.
    """

    def __init__(self, inputs: TensorLike, targets: TensorLike) -> None:
        self._inputs = as_array(inputs)
        self._targets = as_array(targets)
        if not self._inputs.ndim or not self._targets.ndim:
            raise ShapeError("inputs and targets need a first axis that counts the samples")
        if len(self._inputs) != len(self._targets):
            raise ShapeError(
                f"inputs of shape {self._inputs.shape} and targets of shape {self._targets.shape} "
                "differ in the number of samples"
            )
        self._pool = BufferPool()

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: int) -> DataItem:
        index = checked_index(index, len(self._inputs))
        return DataItem(self._inputs[index, ...], self._targets[index, ...])

    def __getitems__(self, indices: Indices) -> DataItem:
        """A batch, in one gather for each array.

        Raises:
            IndexError: An index lies outside.
        """
        return DataItem(*self.gather_batch(indices))

    def gather_batch(self, indices: Indices) -> Pair:
        """The inputs and the targets of a batch.

        Raises:
            IndexError: An index lies outside.
        """
        numbers = checked_indices(indices, len(self))
        return self._taken(self._inputs, numbers), self._taken(self._targets, numbers)

    def open_batch(self, indices: Indices) -> OpenBatch | None:
        """A batch whose samples are still to be copied, for a loader whose workers share that.

        Returns:
            None if the arrays are not contiguous, or have no elements.

        Raises:
            IndexError: An index lies outside.
        """
        numbers = checked_indices(indices, len(self))
        arrays = self._inputs, self._targets
        if not all(array.size and array.flags.c_contiguous for array in arrays):
            return None
        places = [
            self._pool.empty((len(numbers), *array.shape[1:]), array.dtype, array)
            for array in arrays
        ]

        def fill(part: slice) -> None:
            for array, place in zip(arrays, places, strict=True):
                copy_rows(array, numbers[part], place[part])

        return OpenBatch(DataItem(*places), fill)

    def _taken(self, array: npt.NDArray[Any], numbers: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        row = math.prod(array.shape[1:]) * array.itemsize
        if len(numbers) * row < _POOLED_FROM or not array.flags.c_contiguous:
            rows: npt.NDArray[Any] = array[numbers]
            return rows
        return gathered(array, numbers, self._pool)
