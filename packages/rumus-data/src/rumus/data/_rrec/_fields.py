"""Samples of several parts as one structured element, and their structure in the metadata.

A sample's leaves are the fields of the record's input, whose target has no elements. What they are
the leaves of stands in the file's metadata under ``rumus.tree``, as JSON: a leaf is the name of its
field; a container is an object of one key, ``tuple``, ``list``, ``dict`` (pairs of a key and a
part), ``item`` (a DataItem) or ``named`` (the name of the class, and pairs of a field and a part).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, DTypeError, tree

from .._errors import DatasetError, RecordFormatError
from .._item import DataItem
from .._tree import Columns, Structure, difference, paths_of

KEY = "rumus.tree"
"""Where the metadata has the structure."""
NO_TARGET = np.empty(0, np.uint8)
_DEEPEST = 64
Element: TypeAlias = npt.NDArray[Any] | np.generic
_Kinds: TypeAlias = tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]


class Fields:
    """The structure of a file's samples, and the fields that hold their leaves.

    Args:
        structure: Of every sample.
        names: The field of each leaf.
    """

    def __init__(self, structure: Structure, names: Sequence[str]) -> None:
        self.structure = structure
        self.names = tuple(names)
        self._kinds: _Kinds | None = None
        self._dtype = np.dtype(np.void)

    def same_as(self, other: Fields | None) -> bool:
        """Whether samples of both are alike."""
        return other is not None and (self.structure, self.names) == (other.structure, other.names)

    def columns(self, inputs: npt.NDArray[Any], path: object) -> Columns:
        """The leaves of records, as views.

        Raises:
            RecordFormatError: They have other fields.
        """
        if inputs.dtype.names != self.names:
            raise RecordFormatError(
                f"{path}: the metadata says that records have the fields {', '.join(self.names)}, "
                f"and their dtype is {inputs.dtype}"
            )
        return Columns(self.structure, [inputs[name] for name in self.names])

    def check_structure(self, structure: Structure) -> None:
        """Refuse a sample of another structure than the first one's.

        Raises:
            DatasetError: It is of another structure.
        """
        if structure != self.structure:
            raise DatasetError(
                "all records of a file have one structure: of the first one and this one, "
                f"{difference(self.structure, structure)}"
            )

    def know(self, arrays: Sequence[Element]) -> bool:
        """Whether one sample's leaves are of the dtypes and shapes of those before."""
        return self._kinds == tuple([(array.dtype, array.shape) for array in arrays])

    def rows(self, arrays: Sequence[Element], axes: int) -> npt.NDArray[Any]:
        """Structured elements of the leaves of one sample, or of many.

        Args:
            arrays: The leaves.
            axes: How many of their first axes count samples, 0 or 1.

        Raises:
            DTypeError: A leaf is of another dtype than in the record before.
        """
        kinds = tuple([(array.dtype, array.shape[axes:]) for array in arrays])
        if kinds != self._kinds:
            self._dtype = self._dtype_of(kinds)
            self._kinds = kinds
        rows = np.empty(arrays[0].shape[:axes], self._dtype)
        for name, array in zip(self.names, arrays, strict=True):
            rows[name] = array
        return rows

    def _dtype_of(self, kinds: _Kinds) -> np.dtype[Any]:
        """The dtype of leaves, with each field where the processor likes it."""
        for name, (dtype, _), (before, _) in zip(
            self.names, kinds, self._kinds or kinds, strict=True
        ):
            if dtype != before and not (dtype.kind == before.kind and dtype.kind in "SU"):
                raise DTypeError(
                    f"{name} has dtype {dtype}, and {before} in the records before; give all of "
                    "them one dtype, as in np.float32(value)"
                )
        try:
            described = [(name, *kind) for name, kind in zip(self.names, kinds, strict=True)]
            return np.dtype(described, align=True)
        except (ValueError, TypeError) as error:
            raise DTypeError(f"a sample cannot be one structured element: {error}") from None


def new_fields(structure: Structure) -> Fields:
    """The fields of samples of a structure, named after its leaves.

    Raises:
        ArgumentError: It has containers or keys that a file cannot hold.
    """
    names: list[str] = []
    for path in paths_of(structure):
        name = path or "value"
        names.append(name if name not in names else f"{name}#{len(names)}")
    described(structure, names)
    return Fields(structure, names)


def described(structure: Structure, names: Sequence[str]) -> Any:
    """A structure as JSON.

    Raises:
        ArgumentError: It has containers or keys that a file cannot hold.
    """
    rest = iter(names)
    return _described(structure, rest, 0)


def fields_of(metadata: dict[str, Any], path: object) -> Fields | None:
    """The fields of a file's samples; None if they are inputs and targets.

    Raises:
        RecordFormatError: The metadata says what cannot be.
    """
    if KEY not in metadata:
        return None
    names: list[str] = []
    try:
        structure = _parsed(metadata[KEY], names, 0)
    except (ValueError, TypeError) as error:
        raise RecordFormatError(f"{path}: {KEY} in the metadata is damaged: {error}") from None
    if not names or len(set(names)) != len(names):
        raise RecordFormatError(f"{path}: {KEY} in the metadata names no fields, or one twice")
    return Fields(structure, names)


def _described(structure: Structure, names: Any, depth: int) -> Any:
    if structure is None:
        return next(names)
    if depth >= _DEEPEST:
        raise ArgumentError(f"a record's parts are nested {_DEEPEST} deep at most")
    kind, keys, parts = structure
    inside = [_described(part, names, depth + 1) for part in parts]
    if kind is dict and all(type(key) in (str, int) for key in keys or ()):
        return {"dict": [list(pair) for pair in zip(keys or (), inside, strict=True)]}
    if kind is tuple or kind is list:
        return {kind.__name__: inside}
    if kind is DataItem:
        return {"item": inside}
    fields = getattr(kind, "_fields", None)
    if issubclass(kind, tuple) and fields is not None:
        pairs = [list(pair) for pair in zip(fields, inside, strict=True)]
        return {"named": [kind.__name__, pairs]}
    raise ArgumentError(
        f"records hold tuples, lists, named tuples, and dicts with text or integers as keys, not a "
        f"{kind.__name__}" + (f" with the keys {keys}" if keys else "")
    )


def _parsed(value: Any, names: list[str], depth: int) -> Structure:
    """A structure of JSON, whose leaves' names are appended.

    Raises:
        ValueError: It is none.
        TypeError: The same.
    """
    if isinstance(value, str):
        names.append(value)
        return None
    if depth >= _DEEPEST or not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"{str(value)[:80]!r} is neither a name nor a container")
    ((kind, inside),) = value.items()
    if not isinstance(inside, list):
        raise ValueError(f"a {kind!r} has no list of parts")
    if kind in ("tuple", "list", "item"):
        container = {"tuple": tuple, "list": list, "item": DataItem}[kind]
        parts = tuple([_parsed(part, names, depth + 1) for part in inside])
        if container is DataItem and len(parts) != 2:
            raise ValueError("an item has an input and a target")
        return tree.Branch(container, None, parts)
    title: Any = dict
    if kind == "named":
        title, inside = inside
    elif kind != "dict":
        raise ValueError(f"{kind!r} is no container")
    keys = tuple([key for key, _ in inside])
    if any(type(key) not in (str, int) for key in keys) or len(set(keys)) != len(keys):
        raise ValueError("keys are text or integers, each once")
    parts = tuple([_parsed(part, names, depth + 1) for _, part in inside])
    if title is dict:
        return tree.Branch(dict, keys, parts)
    return tree.Branch(_named_tuple(title, keys), None, parts)


@lru_cache(maxsize=256)
def _named_tuple(name: str, fields: tuple[str, ...]) -> type:
    """A class of named tuples; the same one for all files."""
    return namedtuple(name, fields)
