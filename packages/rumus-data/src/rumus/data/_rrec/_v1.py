"""Version 1 of the format: its numbers, and a reader.

::

    header, 64 bytes:  "RREC" · u32 version = 1 · u64 num_records · u64 index_offset · 40 zero bytes
    record:            tensor(input) · tensor(target)
    tensor:            u32 ndim · u32 dim × ndim · u32 dtype · elements · zero padding to 4 bytes
    index:             num_records × ( u64 offset · u64 length )

All integers are little-endian; dtype 0 is float32 and 1 is float16. It holds no checksums.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .._buffers import BufferPool
from .._errors import RecordFileIncompleteError, RecordFormatError
from .._open_batch import OpenBatch
from ._file import Bytes, RecordFile, Rows
from ._layout import Field, Layout
from ._partial import recovering

MAGIC = b"RREC"
HEADER = struct.Struct("<4sIQQ40x")
ENTRY = np.dtype([("offset", "<u8"), ("length", "<u8")])
DTYPES: tuple[np.dtype[Any], ...] = (np.dtype("<f4"), np.dtype("<f2"))
_BLOCK_BYTES = 1 << 20
MAX_NDIM = 32  # more than any tensor has; a larger number is damage


class Version1Reader:
    """The records of a finished file of version 1.

    Args:
        file: The file, which begins with the version's magic.

    Raises:
        RecordFileIncompleteError: The writer has not finished the file.
        RecordFormatError: The header's numbers do not fit the file.
    """

    version = 1

    def __init__(self, file: RecordFile) -> None:
        self.file = file
        self.metadata: dict[str, Any] = {}
        if file.size < HEADER.size:
            raise RecordFileIncompleteError(
                f"{file.path} has {file.size} bytes, less than a header of {HEADER.size}"
            )
        _, _, count, index_offset = HEADER.unpack(file.view(0, HEADER.size).data)
        if count == 0 and index_offset == 0:
            raise RecordFileIncompleteError(
                f"{file.path} was not finished by its writer; {recovering(file.path)} saves the "
                "records in it"
            )
        if count and not HEADER.size <= index_offset <= file.size - ENTRY.itemsize * count:
            raise RecordFormatError(
                f"{file.path}: an index of {count} records at offset {index_offset} does not lie "
                f"inside the file of {file.size} bytes; it was cut or is damaged"
            )
        self._count = count
        self._index_offset = index_offset
        self._rows: tuple[Layout, Rows] | None = None
        self._looked_for_rows = False

    def __len__(self) -> int:
        count: int = self._count
        return count

    def read(self, number: int, copy: bool) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The input and the target of one record; unless copied, views of a file that is mapped."""
        record, layout = self._parse(number, copy)
        inputs, targets = layout.split(record[np.newaxis])
        return inputs[0, ...], targets[0, ...]

    def uniform(self) -> Layout | None:
        """How every record is divided, if all of them are alike; else None."""
        found = self._regular_rows()
        if found is None:
            return None
        layout, rows = found
        step = max(_BLOCK_BYTES // layout.stride, 1)
        blocks = (rows.block(start, start + step) for start in range(0, len(rows), step))
        return layout if all(_same_headers(layout, block) for block in blocks) else None

    def is_regular(self) -> bool:
        """Whether all records are equally long and lie behind each other."""
        return self._regular_rows() is not None

    def gather(
        self, numbers: npt.NDArray[np.intp], pool: BufferPool
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
        """The inputs and the targets of some records in one copy; None if they are not alike."""
        found = self._regular_rows()
        if found is None:
            return None
        layout, rows = found
        batch = rows.take(numbers, pool)
        return layout.split(batch) if _same_headers(layout, batch) else None

    def open_batch(self, numbers: npt.NDArray[np.intp], pool: BufferPool) -> OpenBatch | None:
        """None: whether records are alike is known only when they are copied."""
        return None

    def check_index(self) -> None:
        """Check that each record can be divided.

        Raises:
            RecordFormatError: The first record that cannot.
        """
        self.verify(lambda done: None)

    def verify(self, progress: Callable[[int], None]) -> None:
        """Check that every record can be divided; there is no checksum to compare with.

        Args:
            progress: Called with the number of records checked so far.

        Raises:
            RecordFormatError: The first record that cannot.
        """
        for number in range(len(self)):
            self._parse(number)
            if number % 4096 == 0:
                progress(number)
        progress(len(self))

    def _regular_rows(self) -> tuple[Layout, Rows] | None:
        """All records under each other, if they have one length and no gaps between them."""
        if not self._looked_for_rows:
            self._rows = self._find_rows() if len(self) else None
            self._looked_for_rows = True
        return self._rows

    def _find_rows(self) -> tuple[Layout, Rows] | None:
        try:
            _, layout = self._parse(0)
        except RecordFormatError:  # raised again when somebody asks for that record
            return None
        index = self.file.array(self._index_offset, ENTRY, (len(self),))
        offsets, lengths = index["offset"], index["length"]
        first, stride, count = int(offsets[0]), layout.stride, len(self)
        last = first + (count - 1) * stride
        if int(lengths[0]) != stride or int(offsets[-1]) != last or last + stride > self.file.size:
            return None
        expected = np.uint64(first) + np.arange(count, dtype=np.uint64) * np.uint64(stride)
        if not ((lengths == stride).all() and (offsets == expected).all()):
            return None
        return layout, self.file.rows(first, count, stride)

    def _parse(self, number: int, copy: bool = False) -> tuple[Bytes, Layout]:
        """The bytes of a record, and how they are divided.

        Raises:
            RecordFormatError: Its numbers do not fit into the length that the index gives.
        """
        entry = self.file.array(self._index_offset + number * ENTRY.itemsize, ENTRY, (1,))
        offset, length = entry[0].tolist()
        if offset < HEADER.size or offset + length > self.file.size:
            raise RecordFormatError(
                f"{self.file.path}: record {number} at offset {offset} with {length} bytes does "
                f"not lie inside the file of {self.file.size} bytes"
            )
        record = self.file.view(offset, length, copy)
        try:
            return record, parse_record(record)
        except ValueError as error:
            raise RecordFormatError(
                f"{self.file.path}: record {number} at offset {offset}: {error}"
            ) from None


def parse_record(record: Bytes) -> Layout:
    """How a record is divided; what lies behind its end is not looked at.

    Raises:
        ValueError: The record does not fit into the bytes, or is none.
    """
    input, input_offset, end = _parse_tensor(record, 0, "input")
    target, target_offset, end = _parse_tensor(record, end, "target")
    return Layout(input, target, input_offset, target_offset, end)


def _parse_tensor(record: Bytes, start: int, what: str) -> tuple[Field, int, int]:
    """A tensor's dtype and shape, where its elements begin and where its padding ends."""
    (ndim,) = _integers(record, start, 1, what)
    if ndim > MAX_NDIM:
        raise ValueError(f"the {what} claims {ndim} axes; at most {MAX_NDIM} are possible")
    *shape, dtype = _integers(record, start + 4, ndim + 1, what)
    if dtype >= len(DTYPES):
        raise ValueError(f"the {what} has dtype number {dtype}; 0 is float32 and 1 is float16")
    field = Field(DTYPES[dtype], tuple(shape))
    if field.too_large:
        raise ValueError(f"the {what} ({field}) is larger than any file")
    offset = start + 8 + 4 * ndim
    end = offset + field.nbytes + -field.nbytes % 4
    if end > len(record):
        raise ValueError(f"the {what} ({field}) ends at byte {end} of {len(record)}")
    return field, offset, end


def _integers(record: Bytes, start: int, count: int, what: str) -> tuple[int, ...]:
    if start + 4 * count > len(record):
        raise ValueError(f"the {what}'s header ends behind the {len(record)} bytes that are there")
    return struct.unpack_from(f"<{count}I", record.data, start)


def _same_headers(layout: Layout, rows: Bytes) -> bool:
    """Whether all rows have the tensor headers of the first one."""
    between = layout.input_offset + layout.input.nbytes
    spans = (slice(0, layout.input_offset), slice(between, layout.target_offset))
    first = layout_headers(layout)
    return all(bool((rows[:, span] == first[i]).all()) for i, span in enumerate(spans))


def layout_headers(layout: Layout) -> tuple[Bytes, Bytes]:
    """The bytes of a record before the input, and those between the input and the target."""
    padding = bytes(-layout.input.nbytes % 4)
    return (
        np.frombuffer(tensor_header(layout.input), np.uint8),
        np.frombuffer(padding + tensor_header(layout.target), np.uint8),
    )


def tensor_header(field: Field) -> bytes:
    """The bytes before a tensor's elements."""
    ndim = len(field.shape)
    return struct.pack(f"<{ndim + 2}I", ndim, *field.shape, DTYPES.index(field.dtype))
