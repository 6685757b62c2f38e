"""Samples put under each other into one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rumus.tensor import DTypeError, ShapeError

from ._buffers import BufferPool
from ._errors import DatasetError
from ._item import DataItem, TensorLike, as_array, raw_parts
from ._tree import LEAVES, TEXT, Structure, difference, no_leaf, parts_of, paths_of, tree_of

_JOINED_BELOW = 1 << 14  # bytes of a sample; larger ones are worth a turn of another thread

Collate: TypeAlias = Callable[[list[Any]], Any]


def stack_items(items: Sequence[Any], indices: Sequence[int], pool: BufferPool) -> Any:
    """A batch of samples, each leaf along a new first axis; text becomes a list of it.

    Args:
        items: At least one sample.
        indices: The samples' numbers, for errors.
        pool: Where the memory of the batch comes from.

    Raises:
        DatasetError: Two samples differ in structure, or one holds what no batch can.
        ShapeError: Two samples differ in shape; the message names both.
        DTypeError: Their dtypes have none in common.
    """
    if set(map(type, items)) == {DataItem}:
        inputs, targets = zip(*map(raw_parts, items), strict=True)
        return DataItem(
            _stacked(inputs, indices, "the inputs", pool),
            _stacked(targets, indices, "the targets", pool),
        )
    structure, columns = columns_of(items, indices)
    paths = paths_of(structure)
    leaves = [
        _column(values, indices, path, pool) for values, path in zip(columns, paths, strict=True)
    ]
    return tree_of(structure, leaves)


def columns_of(
    items: Sequence[Any], indices: Sequence[int]
) -> tuple[Structure, list[tuple[Any, ...]]]:
    """The structure of samples, and the values of each leaf of it.

    Raises:
        DatasetError: Two samples differ in structure, or one has no leaves.
    """
    first, structure = parts_of(items[0])
    if not first:
        raise DatasetError(f"sample {indices[0]} is a {type(items[0]).__name__} with nothing in it")
    flat = _flat_columns(items, structure)
    if flat is not None:
        return structure, flat
    rows = [first]
    for index, item in zip(indices[1:], items[1:], strict=True):
        leaves, other = parts_of(item)
        if other != structure:
            raise DatasetError(
                f"the samples of a batch differ in structure: of samples {indices[0]} and {index}, "
                f"{difference(structure, other)}"
            )
        rows.append(leaves)
    return structure, list(zip(*rows, strict=True))


def _flat_columns(items: Sequence[Any], structure: Structure) -> list[tuple[Any, ...]] | None:
    """The values of each part of containers without containers in them, which is much faster.

    Returns:
        None if they are something else, or differ.
    """
    if structure is None or any(part is not None for part in structure.parts):
        return None
    if set(map(type, items)) != {structure.kind}:
        return None
    if structure.keys is not None:
        if any(tuple(item) != structure.keys for item in items):
            return None
        columns = list(zip(*[item.values() for item in items], strict=True))
    elif not issubclass(structure.kind, tuple | list) or len(set(map(len, items))) > 1:
        return None
    else:
        columns = list(zip(*items, strict=True))
    kinds = {kind for values in columns for kind in set(map(type, values))}
    held = any(issubclass(kind, tuple | list | dict) or hasattr(kind, "__tree__") for kind in kinds)
    return None if held else columns


def _column(
    values: tuple[Any, ...], indices: Sequence[int], path: str, pool: BufferPool
) -> npt.NDArray[Any] | list[str | bytes]:
    what = f"the values of {path}" if path else "the samples"
    kinds = set(map(type, values))
    texts = {kind for kind in kinds if issubclass(kind, TEXT)}
    if texts:
        if texts != kinds:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise DTypeError(f"{what} in a batch are text and something else: {names}")
        return list(values)
    for kind in kinds:
        if not issubclass(kind, LEAVES):
            place = next(k for k, value in enumerate(values) if type(value) is kind)
            raise no_leaf(values[place], f"sample {indices[place]}", path)
    return _stacked(values, indices, what, pool)


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
        raise DTypeError(f"{what} of a batch have dtypes without a common one: {names}") from None


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
        f"{what} of a batch differ in shape: sample {indices[0]} has {first}, "
        f"sample {indices[other]} has {arrays[other].shape}; make them equal in the data set, or "
        "give the loader collate=pad_collate(), which pads them"
    )
