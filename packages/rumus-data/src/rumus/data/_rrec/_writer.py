"""Writing a record file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock, get_ident
from types import TracebackType
from typing import Any, NoReturn
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, DTypeError, ShapeError

from .._errors import DatasetError, RecordError
from .._item import DataItem, TensorLike, as_array, raw_parts
from .._tree import Structure, columns_of_batch, parts_of, paths_of
from ._fields import KEY, NO_TARGET, Fields, described, fields_of, new_fields
from ._format import Format, Version1Format
from ._layout import Field
from ._rows import RowBuffer
from ._sink import Sink
from ._v2_format import Version2Format

_ABSENT: Any = object()
_AT_ONCE = 1 << 22  # bytes of a batch that are made rows of at once


class RecordWriter:
    """Writes samples to a record file, one after the other.

    It writes to ``PATH.partial`` beside the file, which gets its name, and takes the place of an
    old one, when it is finished. As a context manager it finishes the file at the end of the block.
    A block that is left by an exception leaves an unfinished file, which cannot be opened until
    :func:`rumus.data.recover` has completed it.

    Threads may share a writer: each record, and each batch, is written as a whole, in the order in
    which they come. A forked process cannot use the writer of its parent. A signal handler may
    raise, but not call the writer while the code that it interrupts does.

    Args:
        path: The file to make.
        version: 2, or 1 for the original layout (float32 and float16 only, no checksums).
        overwrite: Whether a file of that name is replaced, or an unfinished one.
        metadata: What to store about the data set, as JSON (version 2 only); all keys are strings.

    Raises:
        FileExistsError: The file exists, or an unfinished one, and ``overwrite`` is False.
        ArgumentError: JSON cannot hold the metadata.
        RecordFormatError: The path is a folder.
        RecordFileIncompleteError: The file to replace is still being written.
        RecordWriteError: The disk is full, or refuses for another reason.

    Example:
        >>> with RecordWriter("images.rrec") as writer:
        ...     writer.append(np.zeros((28, 28), np.float32), 7)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        version: int = 2,
        overwrite: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._format = new_format(version, metadata)
        self._sink = Sink(path, overwrite)
        self._lock = Lock()
        self._owner: int | None = None  # the thread that holds the lock
        self._fields: Fields | None = None  # of samples that are no DataItem
        try:
            self._rows = RowBuffer(self._sink, self._format)
            self._sink.write(self._format.begin_file())
        except BaseException:
            self._sink.discard()
            raise
        _WRITERS.add(self)

    def __repr__(self) -> str:
        state = "closed" if self._sink.closed else "open"
        return f"<RecordWriter: {self._sink.path}, {len(self)} records, {state}>"

    def __len__(self) -> int:
        """The records appended so far."""
        return self._rows.count

    def append(self, input: Any, target: Any = _ABSENT) -> None:
        """Add one record.

        Args:
            input: A tensor, numpy array or number of any shape; or, without ``target``, a whole
                sample (version 2 only): a DataItem, or a tuple, list, dict or named tuple of
                tensors, arrays, numbers and text, nested as you like. All samples of a file have
                one structure and the dtypes of the first one; their shapes, and the lengths of
                their text, may differ.
            target: A tensor, numpy array or number of any shape.

        Raises:
            DTypeError: The version cannot hold the dtype, or numpy cannot hold the bytes or text;
                or a part of a sample has another dtype than in the first one.
            ShapeError: The version cannot hold the shape, or a list is ragged.
            DatasetError: A sample is of another structure than the first one.
            ArgumentError: A sample cannot be stored, or not in this file.
            RecordWriteError: The system refuses to write.
        """
        if target is _ABSENT:
            if not isinstance(input, DataItem):
                self._append_sample(input)
                return
            input, target = raw_parts(input)
        x: Any = input if type(input) in _ELEMENTS else _exact_array(input, "input")
        y: Any = target if type(target) in _ELEMENTS else _exact_array(target, "target")
        # the same as _turn, which would take as long as all the rest of a small record
        thread = get_ident()
        if self._owner == thread:
            self._check_turn(thread)
        with self._lock:
            self._owner = thread
            try:
                if self._rows.append(x, y):
                    return
                self._check_open()
                self._check_plain()
                x, y = self._stored(np.asarray(x), "input"), self._stored(np.asarray(y), "target")
                self._append_new(x, y)
            finally:
                self._owner = None

    def append_batch(self, inputs: Any, targets: Any = _ABSENT) -> None:
        """Add many records of one shape.

        Args:
            inputs: The inputs, along the first axis; or, without ``targets``, the samples as a
                DataItem, tuple, list, dict or named tuple of arrays, and of lists of text.
            targets: As many targets, along the first axis.

        Raises:
            ShapeError: There is no first axis, the numbers differ, or the version cannot hold the
                shape.
            DTypeError: The version cannot hold the dtype, or numpy cannot hold the bytes or text.
            DatasetError: As for :meth:`append`; so for the other two.
            ArgumentError: A sample cannot be stored, or not in this file.
            RecordWriteError: The system refuses to write.
        """
        with self._turn():
            self._check_open()
        if targets is _ABSENT:
            if not isinstance(inputs, DataItem):
                self._append_samples(inputs)
                return
            inputs, targets = raw_parts(inputs)
        xs = self._stored(_exact_array(inputs, "inputs"), "inputs")
        ys = self._stored(_exact_array(targets, "targets"), "targets")
        if not xs.ndim or not ys.ndim or len(xs) != len(ys):
            raise ShapeError(
                f"inputs of shape {xs.shape} and targets of shape {ys.shape} must have the same "
                "number of samples along their first axis"
            )
        if not len(xs):
            return
        with self._turn():
            self._check_open()
            self._check_plain()
            self._extend(xs, ys)

    def _append_sample(self, sample: Any) -> None:
        """Add a record of a sample that is no DataItem."""
        leaves, structure = parts_of(sample)
        there = self._fields
        known = there is not None and there.structure == structure
        names = there.names if there is not None and known else paths_of(structure)
        arrays: list[Any] = [
            leaf if type(leaf) in _ELEMENTS else _exact_array(leaf, name or "sample")
            for leaf, name in zip(leaves, names, strict=True)
        ]
        with self._turn():
            self._check_open()
            if not (known and there is not None and there.know(arrays)):
                for array, name in zip(arrays, names, strict=True):
                    self._stored(np.asarray(array), name or "sample")
            row = self._fields_for(structure, bool(leaves)).rows(arrays, 0)
            if not self._rows.append(row, NO_TARGET):
                self._append_new(row, NO_TARGET)

    def _append_samples(self, batch: Any) -> None:
        """Add the records of a batch that is no DataItem."""
        structure, columns = columns_of_batch(batch)
        names = paths_of(structure)
        arrays = [
            self._stored(array, name or "sample")
            for array, name in zip(columns, names, strict=True)
        ]
        for name, array in zip(names, arrays, strict=True):
            if not array.ndim or len(array) != len(arrays[0]):
                raise ShapeError(
                    f"{names[0]} of shape {arrays[0].shape} and {name} of shape {array.shape} must "
                    "have the same number of samples along their first axis"
                )
        with self._turn():
            self._check_open()
            fields = self._fields_for(structure, bool(arrays))
            nbytes = sum(array.nbytes for array in arrays) // max(len(arrays[0]), 1)
            step = max(_AT_ONCE // max(nbytes, 1), 1)
            for start in range(0, len(arrays[0]), step):
                rows = fields.rows([array[start : start + step] for array in arrays], 1)
                self._extend(rows, np.empty((len(rows), 0), NO_TARGET.dtype))

    def _append_new(self, input: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add a record that may have another layout than the one before it."""
        if not self._rows.append(input, target):
            self._rows.begin_run(Field(input.dtype, input.shape), Field(target.dtype, target.shape))
            self._rows.append(input, target)

    def _extend(self, xs: npt.NDArray[Any], ys: npt.NDArray[Any]) -> None:
        if not self._rows.takes(xs[0, ...], ys[0, ...]):
            self._rows.begin_run(Field(xs.dtype, xs.shape[1:]), Field(ys.dtype, ys.shape[1:]))
        self._rows.extend(xs, ys)

    def _fields_for(self, structure: Structure, any_leaves: bool) -> Fields:
        """The fields of samples of a structure; the first ones are put into the file's header.

        Raises:
            DatasetError: The file's samples have another structure.
            ArgumentError: Samples of this structure cannot be stored, or not in this file.
        """
        if self._fields is None:
            self._fields = self._begun_fields(structure, any_leaves)
        self._fields.check_structure(structure)
        return self._fields

    def _begun_fields(self, structure: Structure, any_leaves: bool) -> Fields:
        if not isinstance(self._format, Version2Format):
            raise ArgumentError(
                "version 1 holds an input and a target, append(input, target); samples of other "
                "parts need version 2"
            )
        if not any_leaves:
            raise DatasetError("a sample with nothing in it cannot be a record")
        there = fields_of(self._format.metadata, self._sink.path)
        if there is not None:
            return there
        if self._rows.begun:
            raise DatasetError(
                f"{self._sink.path} has records of an input and a target; samples of other parts "
                "need a file of their own"
            )
        fields = new_fields(structure)
        tree_of_fields = described(structure, fields.names)
        self._format = Version2Format({**self._format.metadata, KEY: tree_of_fields})
        self._sink.restart(self._format.begin_file())
        return fields

    def _check_plain(self) -> None:
        """Refuse an input and a target behind samples of other parts."""
        if self._fields is not None:
            raise DatasetError(
                f"{self._sink.path} has samples of the parts {', '.join(self._fields.names)}; "
                "append such a sample, or write another file"
            )

    def flush(self) -> None:
        """Return only when every record appended so far is on the disk.

        Raises:
            RecordWriteError: The system refuses to write.
        """
        with self._turn():
            self._check_open()
            self._rows.drain()
            self._sink.sync()

    def finish(self) -> None:
        """Complete the file: durable, and open to readers, when this returns.

        The writer is closed afterwards, also if this raises; :func:`rumus.data.recover` completes
        the file then.

        Raises:
            FileExistsError: A file of that name was made meanwhile, and ``overwrite`` is False.
            RecordWriteError: The system refuses to write.
        """
        with self._turn():
            self._check_open()
            try:
                self._rows.drain()
                self._format.finish(self._sink, self._rows.runs(), self._rows.count)
                self._sink.sync()
                self._sink.publish()
            finally:
                self._close()

    def __reduce__(self) -> NoReturn:
        raise RecordError(
            f"the writer of {self._sink.path} can neither be copied nor sent to another process; "
            "make one of another file there"
        )

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._sink.closed and self._sink.failed is None:
            return
        if error is None:
            self.finish()
            return
        try:
            self.flush()
        except RecordError:  # the error that is on its way matters more
            pass
        finally:
            self._close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Keep other threads out."""
        thread = get_ident()  # no signal may come between the lock and its owner
        self._check_turn(thread)
        with self._lock:
            self._owner = thread
            try:
                yield
            finally:
                self._owner = None

    def _check_turn(self, thread: int) -> None:
        """Refuse a thread that would wait for itself.

        Raises:
            RecordError: It is at work here already.
        """
        if self._owner == thread and self._lock.locked():
            raise RecordError(
                f"the writer of {self._sink.path} is at work in this very thread; a signal handler "
                "may raise, but not call what it has interrupted"
            )

    def _after_fork(self) -> None:
        """Leave the file to the parent; another thread of it may have had the lock."""
        self._lock, self._owner = Lock(), None
        self._rows.close()
        self._sink.abandon()

    def _close(self) -> None:
        self._rows.close()
        self._sink.close()

    def _stored(self, array: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
        if array.dtype.hasobject or not array.dtype.itemsize:
            raise DTypeError(
                f"the {what} has dtype {array.dtype}; record files hold dtypes of a fixed size"
            )
        return self._format.as_stored(array, what)

    def _check_open(self) -> None:
        if self._sink.failed is None and not self._rows.whole:
            self._sink.interrupted()
        if self._sink.failed is not None:
            raise self._sink.failed.with_traceback(None)  # of this call alone
        if self._sink.closed:
            raise RecordError(f"the writer of {self._sink.path} is closed")


# What numpy can put into a row as it is, without making an array of it first.
_ELEMENTS = frozenset((np.ndarray, *np.sctypeDict.values())) - {np.bytes_, np.str_, np.object_}
_WRITERS: WeakSet[RecordWriter] = WeakSet()


def _abandon_writers() -> None:
    for writer in list(_WRITERS):
        writer._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_writers)


def _exact_array(value: TensorLike, what: str) -> npt.NDArray[Any]:
    """An array of a value.

    Raises:
        DTypeError: It is bytes or text that end in zeros, which numpy would drop.
        ShapeError: It is a ragged list.
    """
    array = as_array(value)
    if array.dtype.kind in "SU" and not isinstance(value, np.ndarray):
        given = [value] if isinstance(value, np.character) else np.asarray(value, object).flat
        pairs = zip(given, array.flat, strict=True)
        if any(isinstance(one, bytes | str) and len(one) != len(two) for one, two in pairs):
            raise DTypeError(
                f"the {what} ends in zeros, which numpy drops from bytes and text; give "
                "np.frombuffer(value, np.uint8), or an array of dtype S or U if they do not matter"
            )
    return array


def new_format(version: int, metadata: Mapping[str, Any] | None) -> Format:
    """The bytes of a version.

    Raises:
        ArgumentError: There is no such version, or it cannot hold the metadata.
    """
    if version == 2:
        return Version2Format(metadata or {})
    if version != 1:
        raise ArgumentError(f"version must be 1 or 2, not {version!r}")
    if metadata:
        raise ArgumentError("version 1 holds no metadata; version 2 does")
    return Version1Format()
