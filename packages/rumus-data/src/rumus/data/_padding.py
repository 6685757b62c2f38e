"""Samples of different lengths, padded to one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, ShapeError, Tensor

from ._arguments import checked_number
from ._buffers import BufferPool
from ._collate import columns_of, stack_items
from ._item import as_array
from ._tree import TEXT, paths_of, tree_of


class Padded(NamedTuple):
    """A batch whose samples were padded.

    Attributes:
        batch: The batch, of the samples' structure.
        lengths: For each part that was padded, by its name, the lengths of the samples before: an
            int32 tensor of shape (n,). The parts of a DataItem are ``"input"`` and ``"target"``,
            those of a dict have its keys, ``"a.b"`` and ``"a[0]"`` are nested; a sample that is a
            single array is ``""``.

    Example:
        >>> numbers = ArrayDataset(np.array([1, 3]))
        >>> words = MapDataset(numbers, lambda n: {"x": np.ones(n, np.int32)})
        >>> padded = DataLoader(words, batch_size=2, collate=pad_collate()).peek()
        >>> padded.batch["x"].tolist(), padded.lengths["x"].tolist()
        ([[1, 0, 0], [1, 1, 1]], [1, 3])
    """

    batch: Any
    lengths: dict[str, Tensor]


def pad_collate(
    value: float = 0,
    axis: int = 0,
    multiple_of: int = 1,
    parts: Sequence[str] | None = None,
) -> Callable[[list[Any]], Padded]:
    """A collate that pads samples of different lengths at their ends.

    Args:
        value: What to pad with (default 0).
        axis: Along which axis of a sample (default 0).
        multiple_of: The padded length is a multiple of this (default 1). A few lengths that come
            again and again, such as multiples of 64, keep a captured step's recordings few.
        parts: The names of what is padded, as in :attr:`Padded.lengths` (default: every array of a
            sample that has such an axis).

    Returns:
        A function for ``DataLoader(collate=)``, which then gives a :class:`Padded` a batch.

    Raises:
        ArgumentError: ``multiple_of`` is no integer from 1; (of a batch) there is no such part, or
            it has no such axis.
        ShapeError: (of a batch) Samples differ along another axis.

    Example:
        >>> class Words:
        ...     def __len__(self):
        ...         return 3
        ...     def __getitem__(self, index):
        ...         return {"tokens": np.arange(index + 1), "id": f"w{index}"}
        >>> batch, lengths = next(iter(DataLoader(Words(), 3, collate=pad_collate(value=-1))))
        >>> batch["tokens"].tolist(), lengths["tokens"].tolist(), batch["id"]
        ([[0, -1, -1], [0, 1, -1], [0, 1, 2]], [1, 2, 3], ['w0', 'w1', 'w2'])
    """
    step = checked_number("multiple_of", multiple_of, 1)
    wanted = None if parts is None else frozenset(parts)
    pool = BufferPool()

    def collate(items: list[Any]) -> Padded:
        numbers = range(len(items))
        structure, columns = columns_of(items, numbers)
        paths = paths_of(structure)
        if wanted is not None and not wanted <= set(paths):
            missing = ", ".join(map(repr, sorted(wanted - set(paths))))
            raise ArgumentError(f"samples have no part {missing}; they have {', '.join(paths)}")
        lengths: dict[str, Tensor] = {}
        padded = []
        for path, values in zip(paths, columns, strict=True):
            if path in wanted if wanted is not None else _has_axis(values[0], axis):
                values, found = _padded([as_array(one) for one in values], path, value, axis, step)
                lengths[path] = Tensor.from_array(found)
            padded.append(values)
        rows = [tree_of(structure, row) for row in zip(*padded, strict=True)]
        return Padded(stack_items(rows, numbers, pool), lengths)

    return collate


def _has_axis(value: Any, axis: int) -> bool:
    if isinstance(value, TEXT):
        return False
    ndim = as_array(value).ndim
    return -ndim <= axis < ndim


def _padded(
    arrays: Sequence[npt.NDArray[Any]], path: str, value: float, axis: int, step: int
) -> tuple[tuple[npt.NDArray[Any], ...], npt.NDArray[np.int32]]:
    """The arrays at one length, and the lengths that they had."""
    for array in arrays:
        if not _has_axis(array, axis) or array.ndim != arrays[0].ndim:
            raise ShapeError(
                f"{path or 'the sample'} has shape {array.shape} in one sample of a batch and "
                f"{arrays[0].shape} in another, and is to be padded along axis {axis}"
            )
    axis %= arrays[0].ndim
    lengths = np.array([array.shape[axis] for array in arrays], np.int32)
    longest = -(-int(lengths.max()) // step) * step
    result = []
    for array in arrays:
        rest = longest - array.shape[axis]
        if rest:
            ends = [(0, rest if k == axis else 0) for k in range(array.ndim)]
            array = np.pad(array, ends, constant_values=value)
        result.append(array)
    return tuple(result), lengths
