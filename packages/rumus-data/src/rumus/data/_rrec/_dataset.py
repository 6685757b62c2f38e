"""Record files as a data set."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, TypeAlias, get_args, overload

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from .._buffers import BufferPool
from .._collate import stack_items
from .._dataset import Indices, checked_index, checked_indices
from .._errors import RecordFileChangedError, RecordFormatError
from .._generic import S
from .._item import DataItem
from .._open_batch import OpenBatch
from .._scatter import scattered
from .._tree import ITEM, Columns, row_of, tree_of
from ._fields import Fields, fields_of
from ._file import Identity
from ._layout import Field
from ._reader import Reader, open_reader
from ._v2_reader import Check

PathLike: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True)
class RecordSchema:
    """What all records of a data set have in common.

    Attributes:
        input: The dtype and the shape of every input, or None if they differ.
        target: The same of every target.

    Example:
        >>> with RecordWriter("schema.rrec") as writer:
        ...     writer.append(np.zeros(2, np.float32), 0)
        >>> RecordDataset("schema.rrec").schema.input.shape
        (2,)
    """

    input: Field | None
    target: Field | None


class RecordDataset(Generic[S]):
    """The records of one file, or of several files (shards) one after the other.

    A sample is what was appended: a :class:`DataItem`, or a tuple, list, dict or named tuple of
    arrays, and of text. A named tuple's class is made anew by its name and fields.

    Files are mapped and never read as a whole; any number of threads may share a data set. A
    pickled or forked data set opens its files again by path, and refuses a path that leads to
    another file by now. Samples are copies, of the file's dtypes in :meth:`read`; as tensors,
    float64 is float32 and integers other than uint8 are int32.

    Args:
        path: A record file of version 1 or 2, or a sequence of them.
        check: When records are compared with their checksums: at their ``"first"`` read from this
            data set, ``"always"`` or ``"never"``.
        mapped: Whether files are mapped into memory, which is fastest. If something cuts a mapped
            file while it is open, reading raises :class:`RecordFileChangedError`; but a cut in the
            very middle of a copy kills the process, and so does a disk or a network that fails to
            bring a mapped page. With False every sample is read by a system call, and all of
            these are exceptions.

    Raises:
        FileNotFoundError: There is no such file.
        RecordFormatError: A path is no record file.
        RecordCorruptError: A header, a footer or an index is damaged.
        RecordFileIncompleteError: A file was not finished; :func:`rumus.data.recover` saves it.
        OSError: The system cannot open or map a file, for want of descriptors for example.

    Example:
        >>> with RecordWriter("three.rrec") as writer:
        ...     for k in range(3):
        ...         writer.append(np.full(2, k, np.float32), k)
        >>> data = RecordDataset("three.rrec")
        >>> len(data), data[1].input.tolist(), data[1].target.item()
        (3, [1.0, 1.0], 1)
    """

    def __init__(
        self,
        path: PathLike | Iterable[PathLike],
        check: Check = "first",
        mapped: bool = True,
    ) -> None:
        paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        if not paths:
            raise ArgumentError("a record data set needs at least one path")
        if check not in get_args(Check):
            raise ArgumentError(f"check must be one of {get_args(Check)}, not {check!r}")
        # absolute, so that another process finds the files from its own folder
        self._paths = [Path(p).absolute() for p in paths]
        self._check: Check = check
        self._mapped = mapped
        self._open()

    @classmethod
    def open(
        cls,
        path: PathLike | Iterable[PathLike],
        check: Check = "first",
        mapped: bool = True,
    ) -> RecordDataset[S]:
        """The same as ``RecordDataset(path, check, mapped)``."""
        return cls(path, check, mapped)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the writer of the (first) file stored about it; empty in version 1."""
        return dict(self._readers[0].metadata)

    def class_names(self, part: str = "target") -> list[str]:
        """The names of the classes whose numbers the target holds, as ``rumus-data convert`` wrote.

        Args:
            part: Where samples have other parts than a target, the path of the one with numbers.

        Returns:
            The name of each number.

        Raises:
            ArgumentError: The file says no names for it.

        Example:
            >>> with RecordWriter("pets.rrec", metadata={"classes": ["cat", "dog"]}) as writer:
            ...     writer.append(np.zeros((3, 8, 8), np.uint8), 1)
            >>> pets = RecordDataset("pets.rrec")
            >>> pets.class_names()[pets[0].target.item()]
            'dog'
        """
        metadata = self._readers[0].metadata
        others = metadata.get("classes_of")
        tables = {**(others if isinstance(others, dict) else {})}
        if "classes" in metadata:
            tables["target"] = metadata["classes"]
        names = tables.get(part)
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            known = ", ".join(tables) or "none"
            raise ArgumentError(
                f"{self._paths[0]} has no names of classes for {part!r} (some for: {known}); "
                'they stand in its metadata, as {"classes": [...]} or {"classes_of": {part: [...]}}'
            )
        return list(names)

    @property
    def schema(self) -> RecordSchema:
        """The dtypes and shapes that all records share."""
        layouts = [reader.uniform() for reader in self._shards() if len(reader)]
        if not layouts or None in layouts:
            return RecordSchema(None, None)
        inputs = {layout.input for layout in layouts if layout}
        targets = {layout.target for layout in layouts if layout}
        return RecordSchema(
            inputs.pop() if len(inputs) == 1 else None,
            targets.pop() if len(targets) == 1 else None,
        )

    def is_regular(self) -> bool:
        """Whether the records of each file are equally long, so that a batch is one gather."""
        return all(reader.is_regular() for reader in self._shards())

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, index: int, /) -> S: ...

    @overload
    def __getitem__(self, index: slice, /) -> Any: ...

    def __getitem__(self, index: int | slice, /) -> Any:
        """One sample; for a slice, a batch of samples.

        Raises:
            IndexError: The index lies outside.
            RecordCorruptError: The record does not match its checksum.
        """
        if isinstance(index, slice):
            self._shards()
            return self.__getitems__(range(*index.indices(len(self))))
        return self._sample(index)

    def _sample(self, index: int) -> Any:
        input, target = self.read(index)
        if self._fields is None:
            return DataItem(input, target)
        return row_of(self._fields.columns(input[np.newaxis], self._paths[0]), 0)

    def read(self, index: int, copy: bool = True) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The input and the target of one record as the file holds them.

        The parts of other samples are the fields of the input, and their target is empty.

        Args:
            index: The number of the record.
            copy: With False the arrays of a mapped file are read-only views of it: no copy is
                made, but whoever looks at them after the file was cut is killed by the system.

        Raises:
            IndexError: The index lies outside.
            RecordCorruptError: The record does not match its checksum.
            RecordFileChangedError: The file was cut since it was opened.
        """
        readers = self._shards()
        index = checked_index(index, len(self))
        shard = bisect_right(self._starts, index) - 1
        return readers[shard].read(index - self._starts[shard], copy)

    def __getitems__(self, indices: Indices) -> Any:
        """A batch: one gather in each file where the records are alike.

        Args:
            indices: Numbers of samples, in any order.

        Raises:
            IndexError: One of them lies outside.
            ShapeError: The records differ in shape.
            RecordCorruptError: A record does not match its checksum.
        """
        columns = self.gather_batch(indices)
        if columns is not None:
            return tree_of(*columns)
        numbers = checked_indices(indices, len(self))
        if not len(numbers):
            raise ArgumentError("a batch needs at least one index")
        wanted = numbers.tolist()
        return stack_items([self._sample(i) for i in wanted], wanted, self._pool)

    def gather_batch(self, indices: Indices) -> Columns | None:
        """The leaves of a batch; None if they are no mere copy of alike records.

        Raises:
            IndexError: An index lies outside.
            RecordCorruptError: A record does not match its checksum.
        """
        readers = self._shards()
        numbers = checked_indices(indices, len(self))
        if not len(numbers):
            return None
        if len(readers) == 1:
            return self._gathered(readers[0], numbers)
        return scattered(
            numbers,
            self._firsts,
            lambda shard, inside, places: self._gathered(readers[shard], inside),
            self._pool,
        )

    def _gathered(self, reader: Reader, numbers: npt.NDArray[np.intp]) -> Columns | None:
        pair = reader.gather(numbers, self._pool)
        if pair is None or self._fields is None:
            return None if pair is None else Columns(ITEM, pair)
        return self._fields.columns(pair[0], reader.file.path)

    def open_batch(self, indices: Indices) -> OpenBatch | None:
        """A batch whose samples are still to be copied, for a loader whose workers share that.

        Returns:
            None if it is no single copy out of one file.

        Raises:
            IndexError: An index lies outside.
        """
        readers = self._shards()
        if len(readers) > 1:
            return None
        batch = readers[0].open_batch(checked_indices(indices, len(self)), self._pool)
        if batch is None or self._fields is None:
            return batch
        inputs = batch.columns.arrays[0]
        return OpenBatch(self._fields.columns(inputs, self._paths[0]), batch.fill)

    def verify(self, progress: Callable[[int], None] | None = None) -> int:
        """Compare every record, index and header with its checksum.

        Args:
            progress: Called now and then with the number of records checked so far.

        Returns:
            The number of records. Those of version 1 have no checksums; only their form is checked.

        Raises:
            RecordCorruptError: The first record that is damaged.
            RecordFormatError: The first thing that breaks the rules of the format.
        """
        tell = progress or (lambda done: None)
        for reader, start in zip(self._shards(), self._starts[:-1], strict=True):
            reader.verify(lambda done, start=start: tell(start + done))  # type: ignore[misc]
        return len(self)

    def _open(self, expected: Sequence[Identity] | None = None) -> None:
        """Open the files.

        Args:
            expected: Which files they were when somebody else opened them.

        Raises:
            RecordFileChangedError: A path leads to another file than expected.
        """
        readers = [open_reader(path, self._check, self._mapped) for path in self._paths]
        for reader, old in zip(readers, expected or (), strict=bool(expected)):
            if reader.file.identity != old:
                raise RecordFileChangedError(
                    f"{reader.file.path} was written or replaced after the data set was opened (it "
                    f"has {reader.file.size} bytes, and had {old.size}); open it anew"
                )
        self._readers: list[Reader] = readers
        self._fields = _fields_of_all(readers)
        self._starts = [0, *accumulate(len(reader) for reader in self._readers)]
        self._firsts = np.array(self._starts)  # numpy would make it of the list at each batch
        self._pool = BufferPool()
        self._process = os.getpid()

    def _shards(self) -> list[Reader]:
        """The readers, opened again after a fork: locks may have been taken when it happened."""
        if self._process != os.getpid():
            self._open(self._identities())
        return self._readers

    def _identities(self) -> list[Identity]:
        return [reader.file.identity for reader in self._readers]

    def __getstate__(self) -> dict[str, Any]:
        return {
            "paths": self._paths,
            "check": self._check,
            "mapped": self._mapped,
            "identities": self._identities(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._paths, self._check, self._mapped = state["paths"], state["check"], state["mapped"]
        self._open(state["identities"])

    def __repr__(self) -> str:
        files = "1 file" if len(self._paths) == 1 else f"{len(self._paths)} files"
        return f"RecordDataset({len(self)} records in {files})"


def _fields_of_all(readers: Sequence[Reader]) -> Fields | None:
    """The structure of the samples of all files.

    Raises:
        RecordFormatError: Files with records differ in it.
    """
    first, *others = [reader for reader in readers if len(reader)] or readers[:1]
    fields = fields_of(first.metadata, first.file.path)
    for reader in others:
        other = fields_of(reader.metadata, reader.file.path)
        if not (other is None if fields is None else fields.same_as(other)):
            raise RecordFormatError(
                f"{first.file.path} and {reader.file.path} have samples of different structure"
            )
    return fields
