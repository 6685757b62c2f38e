"""Record files as a data set."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias, get_args

import numpy.typing as npt

from rumus.tensor import ArgumentError

from .._buffers import BufferPool
from .._collate import stack_items
from .._dataset import Indices, checked_index, checked_indices
from .._item import DataItem
from ._reader import Reader, open_reader
from ._v2_reader import Check

PathLike: TypeAlias = str | os.PathLike[str]


class RecordDataset:
    """The records of one file, or of several files (shards) one after the other.

    Files are mapped and never read as a whole; any number of threads may share a data set. A
    pickled or forked data set opens its files again by path.

    Args:
        path: A record file of version 1 or 2, or a sequence of them.
        check: When records are compared with their checksums: at their ``"first"`` read from this
            data set, ``"always"`` or ``"never"``.

    Raises:
        FileNotFoundError: There is no such file.
        RecordFormatError: A path is no record file.
        RecordFileIncompleteError: A file was not finished; :func:`rumus.data.recover` saves it.
    """

    def __init__(self, path: PathLike | Iterable[PathLike], check: Check = "first") -> None:
        paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        if not paths:
            raise ArgumentError("a record data set needs at least one path")
        if check not in get_args(Check):
            raise ArgumentError(f"check must be one of {get_args(Check)}, not {check!r}")
        self._paths = [Path(p) for p in paths]
        self._check: Check = check
        self._open()

    @classmethod
    def open(cls, path: PathLike | Iterable[PathLike], check: Check = "first") -> RecordDataset:
        """The same as ``RecordDataset(path, check)``."""
        return cls(path, check)

    def _open(self) -> None:
        self._readers: list[Reader] = [open_reader(path, self._check) for path in self._paths]
        self._starts = [0, *accumulate(len(reader) for reader in self._readers)]
        self._pool = BufferPool()

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int | slice) -> DataItem:
        """One sample, or for a slice a batch of samples."""
        if isinstance(index, slice):
            return self.__getitems__(range(*index.indices(len(self))))
        return DataItem(*self.read(index))

    def read(self, index: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The input and the target of one record as the file holds them, without a copy."""
        index = checked_index(index, len(self))
        shard = bisect_right(self._starts, index) - 1
        return self._readers[shard].read(index - self._starts[shard])

    def __getitems__(self, indices: Indices) -> DataItem:
        """A batch: one gather where the records are alike.

        Args:
            indices: Numbers of samples, in any order.

        Raises:
            IndexError: One of them lies outside.
            ShapeError: The records differ in shape.
        """
        numbers = checked_indices(indices, len(self))
        if len(self._readers) == 1:
            parts = self._readers[0].gather(numbers, self._pool)
            if parts is not None:
                return DataItem(*parts)
        return self._stacked(numbers.tolist())

    def _stacked(self, indices: Sequence[int]) -> DataItem:
        if not indices:
            raise ArgumentError("a batch needs at least one index")
        return stack_items([DataItem(*self.read(i)) for i in indices], indices, self._pool)

    def __getstate__(self) -> dict[str, Any]:
        return {"paths": self._paths, "check": self._check}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._paths, self._check = state["paths"], state["check"]
        self._open()

    def __repr__(self) -> str:
        return f"RecordDataset({len(self)} records in {len(self._paths)} files)"
