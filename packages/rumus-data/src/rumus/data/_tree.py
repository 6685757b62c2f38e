"""Samples and batches as trees: their leaves, and the names of these in errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, Device, DTypeError, Tensor, tree

from ._arguments import type_name
from ._errors import DatasetError
from ._item import DataItem, as_array, as_tensor, narrowed, raw_parts

Structure: TypeAlias = tree.Structure
DeviceLike: TypeAlias = Device | Literal["cpu", "gpu", "auto"] | str
"""What ``device=`` takes; editors complete the names, which no ``str`` of options would be."""
ITEM = tree.Branch(DataItem, None, (None, None))
TEXT = (str, bytes)
LEAVES = (Tensor, np.ndarray, np.generic, bool, int, float, *TEXT)
"""What may be in a sample."""


class Columns(NamedTuple):
    """A batch as an array for each leaf, the samples along their first axes."""

    structure: Structure
    arrays: Sequence[npt.NDArray[Any]]


def parts_of(value: Any) -> tuple[Sequence[Any], Structure]:
    """The leaves and the structure of a sample or a batch, without making tensors of an item's."""
    return (raw_parts(value), ITEM) if type(value) is DataItem else tree.flatten(value)


def tree_of(structure: Structure, leaves: Sequence[Any]) -> Any:
    """A sample or a batch of its leaves."""
    return DataItem(*leaves) if structure is ITEM else tree.unflatten(structure, leaves)


def columns_of_batch(batch: Any) -> Columns:
    """A batch as arrays; lists of text are arrays of it."""
    leaves, structure = parts_of(batch)
    if structure is ITEM:
        return Columns(structure, [as_array(leaf) for leaf in leaves])
    leaves, structure = _merged(structure, iter(leaves))
    return Columns(structure, [as_array(leaf) for leaf in leaves])


def _merged(structure: Structure, leaves: Iterator[Any]) -> tuple[list[Any], Structure]:
    """A batch's leaves and structure with each list of text as one leaf."""
    if structure is None:
        return [next(leaves)], None
    below = [_merged(part, leaves) for part in structure.parts]
    inside = [leaf for part, _ in below for leaf in part]
    parts = tuple(part for _, part in below)
    if structure.kind is list and set(parts) == {None} and all(map(_is_one_text, inside)):
        joined = np.array(inside)
        if joined.tolist() != inside:
            raise DTypeError(
                "a list of text in a batch mixes str and bytes, or holds text that ends in zeros, "
                "which numpy drops"
            )
        return [joined], None
    return inside, structure._replace(parts=parts)


def _is_one_text(leaf: object) -> bool:
    return isinstance(leaf, TEXT)


def row_of(columns: Columns, index: int) -> Any:
    """One sample of a batch; text as text."""
    structure, arrays = columns
    if structure is ITEM:
        return DataItem(arrays[0][index, ...], arrays[1][index, ...])
    return tree_of(structure, [_element(array[index, ...]) for array in arrays])


def _element(row: npt.NDArray[Any]) -> Any:
    return row.item() if not row.ndim and row.dtype.kind in "SU" else row


def paths_of(structure: Structure, inside: str = "") -> list[str]:
    """What the leaves are called in errors: ``image``, ``boxes[1].size``; "" for a single leaf."""
    if structure is None:
        return [inside]
    return [
        path
        for name, part in zip(_names(structure), structure.parts, strict=True)
        for path in paths_of(part, f"{inside}{name}" if inside else name.removeprefix("."))
    ]


def difference(first: Structure, other: Structure, inside: str = "") -> str:
    """Where two structures differ first, for errors."""
    if first is not None and other is not None and first.kind is other.kind:
        if first.keys != other.keys:
            return f"{inside or 'one'} has the keys {_listed(first)}, the other {_listed(other)}"
        if len(first.parts) != len(other.parts):
            return f"{inside or 'one'} has {len(first.parts)} parts, the other {len(other.parts)}"
        for name, one, two in zip(_names(first), first.parts, other.parts, strict=True):
            if one != two:
                return difference(one, two, f"{inside}{name}" if inside else name.lstrip("."))
    return f"{inside or 'one'} is a {_kind(first)}, the other a {_kind(other)}"


def is_text(value: Any) -> bool:
    """Whether a leaf of a batch is text, which stays as it is."""
    return isinstance(value, TEXT) or (isinstance(value, np.ndarray) and value.dtype.kind in "SU")


def checked_tree(value: Any, source: str) -> Any:
    """The value, if every leaf is an array, a number or text, and there is one.

    Raises:
        DatasetError: It is something else.
    """
    if isinstance(value, DataItem):
        return value
    leaves, structure = tree.flatten(value)
    if not leaves:
        raise DatasetError(f"{source} is a {type(value).__name__} with nothing in it")
    for place, leaf in enumerate(leaves):
        if not isinstance(leaf, LEAVES):
            raise no_leaf(leaf, source, paths_of(structure)[place])
    return value


def no_leaf(leaf: object, source: str, path: str) -> DatasetError:
    """What is raised where something is neither an array, a number nor text."""
    held = f", at {path}," if path else ""
    return DatasetError(
        f"{source}{held} is a {type_name(leaf)}; a sample is a DataItem, or a tree of arrays, "
        "tensors, numbers and text"
    )


def to_device(value: Any, device: DeviceLike = "cpu") -> Any:
    """A tree with its arrays and numbers as tensors on a device, and its text as it is.

    Args:
        value: A sample, a batch, or any tree of arrays, numbers, tensors and text.
        device: Where the tensors go (default ``"cpu"``).

    Returns:
        A tree of the same structure; arrays of text become lists of it.

    Raises:
        DTypeError: A tensor cannot hold the dtype of a leaf.
        ArgumentError: An integer does not fit int32.
        DeviceError: The device is unknown.

    Example:
        >>> to_device({"x": np.zeros((2, 3)), "name": ["a", "b"]})["x"].shape
        (2, 3)
    """
    target = Device(device)
    leaves, structure = parts_of(value)
    return tree_of(structure, on_device(leaves, structure, target, "the tree"))


def on_device(leaves: Sequence[Any], structure: Structure, device: Device, where: str) -> list[Any]:
    """The leaves of a batch as tensors on a device; text stays, outside of items."""
    placed: list[Any] = []
    for place, leaf in enumerate(leaves):
        if structure is not ITEM and is_text(leaf):
            placed.append(leaf.tolist() if isinstance(leaf, np.ndarray) else leaf)
            continue
        try:
            tensor = as_tensor(leaf)
        except (ArgumentError, DTypeError) as error:
            name = paths_of(structure)[place]
            raise type(error)(f"{f'the {name} of ' if name else ''}{where}: {error}") from None
        placed.append(tensor if tensor.device is device else tensor.to(device))
    return placed


def column_of_tensors(array: npt.NDArray[Any], structure: Structure) -> npt.NDArray[Any]:
    """An array in a dtype of tensors; text stays, outside of items."""
    return array if structure is not ITEM and array.dtype.kind in "SU" else narrowed(array)


def nbytes_of(value: Any) -> int:
    """The bytes of a sample's arrays and numbers."""
    leaves, _ = parts_of(value)
    return sum(as_array(leaf).nbytes for leaf in leaves)


def _names(structure: tree.Branch) -> list[str]:
    """How each part of a container is called behind the container's own name."""
    if structure.kind is DataItem:
        return [".input", ".target"]
    if structure.keys is not None:
        return [f".{key}" for key in structure.keys]
    fields: tuple[str, ...] = getattr(structure.kind, "_fields", ())
    if len(fields) == len(structure.parts):
        return [f".{name}" for name in fields]
    return [f"[{k}]" for k in range(len(structure.parts))]


def _kind(structure: Structure) -> str:
    return "leaf" if structure is None else structure.kind.__name__


def _listed(structure: tree.Branch) -> str:
    return ", ".join(map(repr, structure.keys or ()))
