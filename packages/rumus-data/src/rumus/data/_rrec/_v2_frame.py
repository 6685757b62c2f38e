"""What surrounds the records of version 2: the header with its metadata, and the footer."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from .._errors import RecordCorruptError, RecordFileIncompleteError, RecordFormatError
from ._crc import crc32c
from ._file import RecordFile
from ._partial import recovering
from ._v1 import MAGIC
from ._v2 import ALIGNMENT, ENTRY, FOOTER, FOOTER_MAGIC, HEADER, metadata_size


class Footer(NamedTuple):
    """What the last 64 bytes of a file say.

    Attributes:
        records: Their number.
        runs: The number of runs.
        index_offset: Where the index begins.
    """

    records: int
    runs: int
    index_offset: int


def looks_like_version_2(file: RecordFile) -> bool:
    """Whether the file begins with a header of version 2, or with one that bits flipped in."""
    start = file.view(0, ALIGNMENT).tobytes()
    expected = HEADER.pack(MAGIC, 2, 0)[:8]
    return start[:8] == expected or _is_sealed(expected, start)


def read_head(file: RecordFile) -> tuple[dict[str, Any], int]:
    """The metadata, and where the first run begins.

    Raises:
        RecordFileIncompleteError: The file ends within them.
        RecordCorruptError: They do not match their checksums.
        RecordFormatError: The metadata is no JSON object.
    """
    header = file.view(0, ALIGNMENT)
    if len(header) < ALIGNMENT:
        raise _incomplete(file, "it ends within the header")
    magic, version, length = HEADER.unpack_from(header.data)
    if crc32c(header) or (magic, version) != (MAGIC, 2):
        raise RecordCorruptError(f"{file.path}: the header at offset 0 is damaged")
    size = metadata_size(length)
    if ALIGNMENT + size > file.size:
        raise _incomplete(file, "it ends within the metadata")
    if not size:
        return {}, ALIGNMENT
    block = file.view(ALIGNMENT, size)
    if crc32c(block):
        raise RecordCorruptError(f"{file.path}: the metadata at offset {ALIGNMENT} is damaged")
    try:
        metadata = json.loads(block[:length].tobytes())
    except (ValueError, RecursionError) as error:
        raise RecordFormatError(f"{file.path}: the metadata is no JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise RecordFormatError(f"{file.path}: the metadata is no JSON object")
    return metadata, ALIGNMENT + size


def read_footer(file: RecordFile, start: int) -> Footer:
    """The footer of a finished file whose first run begins at ``start``.

    Raises:
        RecordFileIncompleteError: There is no footer.
        RecordCorruptError: It does not match its checksum.
        RecordFormatError: Its numbers do not fit the file.
    """
    footer = file.view(max(file.size - ALIGNMENT, 0), ALIGNMENT).tobytes()
    if file.size < start + ALIGNMENT or footer[:8] != FOOTER_MAGIC:
        if file.size >= start + ALIGNMENT and _is_sealed(FOOTER_MAGIC, footer):
            raise RecordCorruptError(
                f"{file.path}: the footer at offset {file.size - ALIGNMENT} is damaged"
            )
        raise _incomplete(
            file, "it has no footer (its writer is at work or was killed, or it was cut)"
        )
    if crc32c(footer):
        raise RecordCorruptError(
            f"{file.path}: the footer at offset {file.size - ALIGNMENT} is damaged"
        )
    _, count, runs, index_offset, size = FOOTER.unpack_from(footer)
    if (
        size != file.size
        or index_offset < start
        or index_offset + runs * ENTRY.itemsize + ALIGNMENT != size
        or count * ALIGNMENT > index_offset - start  # no record takes less
        or runs > count
        or (runs == 0) != (count == 0)
    ):
        raise RecordFormatError(
            f"{file.path}: the footer's numbers ({count} records in {runs} runs, index at "
            f"{index_offset}, {size} bytes) do not fit a file of {file.size} bytes"
        )
    return Footer(count, runs, index_offset)


def _is_sealed(expected_start: bytes, block: bytes) -> bool:
    """Whether a block would match its checksum if it began as expected: bits of it flipped."""
    return len(block) == ALIGNMENT and crc32c(expected_start + block[8:]) == 0


def _incomplete(file: RecordFile, reason: str) -> RecordFileIncompleteError:
    return RecordFileIncompleteError(
        f"{file.path} is not complete: {reason}; {recovering(file.path)} saves the records in it "
        "once nobody writes to it"
    )
