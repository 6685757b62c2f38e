"""Samples put under each other into one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rumus.tensor import DTypeError, ShapeError

from ._buffers import BufferPool
from ._item import DataItem, TensorLike, as_array, raw_parts

_JOINED_BELOW = 1 << 14  # bytes of a sample; larger ones are worth a turn of another thread

Collate: TypeAlias = Callable[[list[DataItem]], DataItem]


def stack_items(items: Sequence[DataItem], indices: Sequence[int], pool: BufferPool) -> DataItem:
    """A batch of samples, inputs and targets each along a new first axis.

    Args:
        items: At least one sample.
        indices: The sample's numbers, for errors.
        pool: Where the memory of the batch comes from.

    Raises:
        ShapeError: Two samples differ in shape; the message names both.
        DTypeError: Their dtypes have none in common.
    """
    inputs, targets = zip(*map(raw_parts, items), strict=True)
    return DataItem(
        _stacked(inputs, indices, "input", pool), _stacked(targets, indices, "target", pool)
    )


def _stacked(
    values: tuple[TensorLike, ...], indices: Sequence[int], what: str, pool: BufferPool
) -> npt.NDArray[Any]:
    kinds = set(map(type, values))
    if kinds <= {bool} or kinds <= {int} or kinds <= {float}:
        return np.array(values)
    arrays = [value if type(value) is np.ndarray else as_array(value) for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ShapeError(_difference(arrays, indices, what))
    dtypes = {array.dtype for array in arrays}
    dtype = dtypes.pop() if len(dtypes) == 1 else _common(dtypes, what)
    (shape,) = shapes
    batch = pool.empty((len(arrays), *shape), dtype)
    if not batch.size:
        return batch
    if not dtypes and arrays[0].nbytes < _JOINED_BELOW and _joined(arrays, batch):
        return batch
    if shape:
        np.concatenate(arrays, out=batch.reshape(-1, *shape[1:]))
    else:
        batch[...] = arrays
    return batch


def _common(dtypes: set[np.dtype[Any]], what: str) -> np.dtype[Any]:
    try:
        return np.result_type(*dtypes)
    except TypeError:
        names = ", ".join(sorted(map(str, dtypes)))
        raise DTypeError(
            f"the {what}s of a batch have dtypes without a common one: {names}"
        ) from None


def _joined(arrays: Sequence[Any], batch: npt.NDArray[Any]) -> bool:
    """Copy arrays of one dtype as bytes; False if they are not contiguous, or are no mere bytes.

    Numpy would let another thread run at each array, and with threads that all run Python, the
    turns cost more than the copies.
    """
    if batch.dtype.hasobject:
        return False
    try:
        batch.reshape(-1).view(np.uint8).data[:] = b"".join(arrays)
    except (TypeError, ValueError):
        return False
    return True


def _difference(arrays: Sequence[npt.NDArray[Any]], indices: Sequence[int], what: str) -> str:
    first = arrays[0].shape
    other = next(k for k, array in enumerate(arrays) if array.shape != first)
    return (
        f"the {what}s of a batch differ in shape: sample {indices[0]} has {first}, "
        f"sample {indices[other]} has {arrays[other].shape}; make them equal in the data set, or "
        "give the loader a collate that pads them"
    )
