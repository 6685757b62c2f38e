"""Completing a file whose writer did not."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .._errors import RecordError, RecordFileIncompleteError, RecordFormatError, RecordWriteError
from ._lock import lock_for_writing
from ._mapped import MappedFile
from ._reader import open_reader
from ._scan import Found, scan
from ._sink import sync_folder
from ._v1 import ENTRY, HEADER, MAGIC, parse_record
from ._v2 import pack_footer, pack_header
from ._v2_format import pack_index
from ._v2_frame import looks_like_version_2, read_head


@dataclass(frozen=True)
class Recovery:
    """What :func:`recover` did.

    Attributes:
        path: The file, which can be opened now.
        records: The records in it.
        damaged: The numbers of those that are damaged; reading one raises RecordCorruptError.
        dropped_bytes: The bytes at the end that belonged to no complete record.
        changed: Whether the file was changed; one that is complete is left as it is.
    """

    path: Path
    records: int
    damaged: tuple[int, ...]
    dropped_bytes: int
    changed: bool


def recover(path: str | os.PathLike[str]) -> Recovery:
    """Complete a record file whose writer was killed or met an error.

    Every record that was flushed is kept. In version 2 each is compared with its checksum; version
    1 has none, so that there the records are kept that can be divided. Only bytes behind the last
    good record are dropped. The file is durable when this returns, and if this is
    interrupted, it can be called again.

    Args:
        path: The file; it is completed in place.

    Raises:
        RecordFormatError: It is no record file.
        RecordCorruptError: Its header or its metadata is damaged.
        RecordFileIncompleteError: Another process is still writing to it.
        RecordWriteError: The disk is full, or refuses for another reason.
    """
    MappedFile(path)  # names a folder or a missing file
    try:
        with open(path, "r+b") as file:
            return _recovered(path, file)
    except OSError as error:  # also from closing, which writes what a full disk refused before
        if isinstance(error, RecordError | FileNotFoundError | PermissionError):
            raise
        raise RecordWriteError(error.errno, error.strerror, str(path)) from error


def _recovered(path: str | os.PathLike[str], file: BinaryIO) -> Recovery:
    if not lock_for_writing(file):
        raise RecordFileIncompleteError(f"{path} is still being written by another process")
    with suppress(RecordError):
        return _complete(path)
    mapped = MappedFile(path)
    start = mapped.view(0, 8).tobytes()
    if not (_begins_like(start) or looks_like_version_2(mapped)):
        raise RecordFormatError(f"{path} is no record file: it begins with {start!r}")
    mend = _mend_version_1 if start[4:] == b"\1\0\0\0" else _mend_version_2
    recovery = mend(mapped, file)
    os.fsync(file.fileno())
    sync_folder(mapped.path)
    return recovery


def _begins_like(start: bytes) -> bool:
    """Whether the first bytes of a file, which may be few, are those of a record file."""
    return any((MAGIC + bytes([version, 0, 0, 0])).startswith(start) for version in (1, 2))


def _complete(path: str | os.PathLike[str]) -> Recovery:
    """What to say about a file that is complete.

    Raises:
        RecordError: It is not, or its index is damaged.
    """
    reader = open_reader(path)
    reader.check_index()
    return Recovery(reader.file.path, len(reader), (), 0, changed=False)


def _mend_version_2(mapped: MappedFile, file: BinaryIO) -> Recovery:
    try:
        _, start = read_head(mapped)
        found = scan(mapped, start)
    except RecordFileIncompleteError:  # killed before the first record
        head = pack_header({})
        found = Found(len(head))
        file.write(head)
    dropped = max(mapped.size - found.end, 0)
    file.truncate(found.end)
    file.seek(found.end)
    file.write(pack_index(found.table()))
    file.write(pack_footer(found.records, len(found.runs), found.end))
    file.flush()
    return Recovery(mapped.path, found.records, tuple(found.damaged), dropped, changed=True)


def _mend_version_1(mapped: MappedFile, file: BinaryIO) -> Recovery:
    entries = []
    end = HEADER.size
    with suppress(ValueError):
        while end < mapped.size:
            length = parse_record(mapped.view(end, mapped.size - end)).stride
            entries.append((end, length))
            end += length
    file.truncate(end)
    file.seek(end)
    file.write(np.array(entries, ENTRY).tobytes())
    file.flush()
    os.fsync(file.fileno())
    file.seek(0)
    file.write(HEADER.pack(MAGIC, 1, len(entries), end))
    file.flush()
    return Recovery(mapped.path, len(entries), (), max(mapped.size - end, 0), changed=True)
