"""Reading version 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .._buffers import BufferPool
from .._errors import RecordCorruptError, RecordFormatError
from .._open_batch import OpenBatch
from .._tree import ITEM, Columns
from ._checked import CheckedRecords
from ._crc import crc32c
from ._file import Bytes, RecordFile, Rows
from ._layout import Layout
from ._v2 import ENTRY, parse_run, run_size
from ._v2_format import trailers_of
from ._v2_frame import read_footer, read_head

Check: TypeAlias = Literal["first", "always", "never"]
"""When records are compared with their checksums: at the first read, at every read, or never."""

_VERIFY_BYTES = 1 << 20
_CACHED_RUNS = 256


class OpenRun(NamedTuple):
    """A run of records of one layout, ready to be read.

    Attributes:
        first: The number of its first record.
        offset: Where that record begins.
        rows: Its records.
        layout: How each is divided.
        tag: The check field of its description, which every trailer repeats.
    """

    first: int
    offset: int
    rows: Rows
    layout: Layout
    tag: int


class Version2Reader:
    """The records of a finished file of version 2.

    Opening reads the header, the footer and at most one run's description, whatever the number of
    records.

    Args:
        file: The file.
        check: When records are compared with their checksums.

    Raises:
        RecordFileIncompleteError: The writer has not finished the file.
        RecordCorruptError: The header or the footer is damaged.
        RecordFormatError: Their numbers do not fit the file.
    """

    version = 2

    def __init__(self, file: RecordFile, check: Check = "first") -> None:
        self.file = file
        self.metadata, start = read_head(file)
        self._footer = read_footer(file, start)
        self._entries: npt.NDArray[Any] | None = None  # the index, once somebody needs it
        self._check = check
        self._checked = CheckedRecords(len(self))
        self._cached: dict[int, OpenRun] = {}
        self._only = self._whole_file() if self._footer.runs == 1 else None

    def __len__(self) -> int:
        return self._footer.records

    def uniform(self) -> Layout | None:
        """How every record is divided, if the file has one run; else None."""
        return self._only.layout if self._only else None

    def is_regular(self) -> bool:
        """Whether all records are in one run."""
        return self._only is not None

    def read(self, number: int, copy: bool) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The input and the target of one record; unless copied, views of a file that is mapped."""
        run = self._only or self._run(self._run_of(number))
        row = number - run.first
        rows = run.rows.block(row, row + 1, copy)
        if not len(rows):
            raise RecordCorruptError(f"{self.file.path}: record {number} is lost")
        self._compare(run, rows, np.array([number]))
        inputs, targets = run.layout.split(rows)
        return inputs[0, ...], targets[0, ...]

    def gather(
        self, numbers: npt.NDArray[np.intp], pool: BufferPool
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
        """The inputs and the targets of some records in one copy; None if not from one run."""
        if not len(numbers):
            return None
        run = self._only
        if run is not None:
            batch = run.rows.take(numbers, pool)
        else:
            run = self._run(self._run_of(int(numbers.min())))
            if run.first + len(run.rows) <= int(numbers.max()):
                return None
            batch = run.rows.take(numbers - run.first, pool)
        self._compare(run, batch, numbers)
        return run.layout.split(batch)

    def open_batch(self, numbers: npt.NDArray[np.intp], pool: BufferPool) -> OpenBatch | None:
        """The same, still to be copied; None if the file has several runs."""
        run = self._only
        if run is None:
            return None
        rows = run.rows
        batch = rows.empty(len(numbers), pool)

        def fill(part: slice) -> None:
            rows.fill(numbers[part], batch[part])
            self._compare(run, batch[part], numbers[part])

        return OpenBatch(Columns(ITEM, run.layout.split(batch)), fill)

    def check_index(self) -> None:
        """Check the index and what each run says of itself.

        Raises:
            RecordError: It is damaged, or does not fit the records.
        """
        for k in range(self._footer.runs):
            self._run(k)

    def verify(self, progress: Callable[[int], None]) -> None:
        """Compare everything with its checksum.

        Args:
            progress: Called with the number of records checked so far.

        Raises:
            RecordCorruptError: The first record that is damaged.
            RecordFormatError: The first run that cannot be.
        """
        done = 0
        for k in range(self._footer.runs):
            run = self._run(k)
            if run.first != done:
                raise RecordCorruptError(f"{self.file.path}: record {done} is lost")
            step = max(_VERIFY_BYTES // run.layout.stride, 1)
            for row in range(0, len(run.rows), step):
                rows = run.rows.block(row, row + step)
                self._check_rows(run, rows, np.arange(done, done + len(rows)))
                done += len(rows)
                progress(done)
        if done != len(self):
            raise RecordCorruptError(f"{self.file.path}: record {done} is lost")

    def _compare(self, run: OpenRun, rows: Bytes, numbers: npt.NDArray[np.intp]) -> None:
        """Compare records with their checksums, if it is time to."""
        if self._check == "never" or (self._check == "first" and self._checked.covers(numbers)):
            return
        self._check_rows(run, rows, numbers)
        self._checked.add(numbers)

    def _check_rows(self, run: OpenRun, rows: Bytes, numbers: npt.NDArray[np.intp]) -> None:
        trailers = trailers_of(rows)
        if (
            crc32c(rows) == 0
            and (trailers["number"] == numbers).all()
            and (trailers["tag"] == run.tag).all()
        ):
            return
        for row, trailer, number in zip(rows, trailers, numbers.tolist(), strict=True):
            if crc32c(row) or trailer["number"] != number or trailer["tag"] != run.tag:
                offset = run.offset + (number - run.first) * run.layout.stride
                raise RecordCorruptError(
                    f"{self.file.path}: record {number} at offset {offset} does not match its "
                    "checksum"
                )

    def _whole_file(self) -> OpenRun | None:
        """The only run, if no record of it was lost."""
        run = self._run(0)
        return run if run.first == 0 and len(run.rows) == len(self) else None

    @property
    def _index(self) -> npt.NDArray[Any]:
        if self._entries is None:
            self._entries = self.file.array(self._footer.index_offset, ENTRY, (self._footer.runs,))
        return self._entries

    def _run_of(self, number: int) -> int:
        """Which run a record is in."""
        self.file.check_length()
        # a number of another dtype would have all of the index converted
        k = int(np.searchsorted(self._index["first"], np.uint64(number), side="right")) - 1
        if k < 0:
            self._check_entry(0)
            raise RecordCorruptError(f"{self.file.path}: record {number} is lost")
        return k

    def _run(self, k: int) -> OpenRun:
        """Open a run; the last few stay open."""
        run = self._cached.get(k)
        if run is None:
            run = self._parse_run(k)
            if len(self._cached) >= _CACHED_RUNS:
                self._cached.clear()
            self._cached[k] = run
        return run

    def _parse_run(self, k: int) -> OpenRun:
        self.file.check_length()
        self._check_entry(k)
        first, offset, tag, _ = self._index[k].tolist()
        end = int(self._index["first"][k + 1]) if k + 1 < len(self._index) else len(self)
        description = self._description(k, offset, tag)
        try:
            layout, described_first = parse_run(description)
        except ValueError as error:
            raise self._bad_run(k, str(error)) from None
        offset += len(description)
        count = end - first
        if described_first != first or count < 1:
            raise self._bad_run(k, f"it holds records from {described_first}, not {first} to {end}")
        # a recovered file may have lost the last records of a run
        count = max(min(count, (self._footer.index_offset - offset) // layout.stride), 0)
        rows = self.file.rows(offset, count, layout.stride)
        return OpenRun(first, offset, rows, layout, tag)

    def _description(self, k: int, offset: int, tag: int) -> Bytes:
        size = run_size(self.file.view(offset, 64))
        description = self.file.view(offset, size)
        ends_in_tag = description[-4:].tobytes() == tag.to_bytes(4, "little")
        if not size or len(description) < size or crc32c(description) or not ends_in_tag:
            raise RecordCorruptError(
                f"{self.file.path}: the description of run {k} at offset {offset} is damaged"
            )
        return description

    def _check_entry(self, k: int) -> None:
        if crc32c(self._index[k : k + 1].view(np.uint8)):
            where = self._footer.index_offset + k * ENTRY.itemsize
            raise RecordCorruptError(
                f"{self.file.path}: entry {k} of the index at offset {where} is damaged"
            )

    def _bad_run(self, k: int, reason: str) -> RecordFormatError:
        """What is wrong with a run, if the reason is not that the index is damaged."""
        for entry in range(len(self._index)):
            self._check_entry(entry)
        return RecordFormatError(f"{self.file.path}: run {k}: {reason}")
