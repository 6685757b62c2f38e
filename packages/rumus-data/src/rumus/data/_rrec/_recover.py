"""Completing a file whose writer did not."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .._errors import RecordError, RecordFileIncompleteError, RecordFormatError, RecordWriteError
from ._file import check_regular
from ._lock import lock_for_writing, sync_file
from ._mapped import MappedFile
from ._partial import has_name, partial_of
from ._reader import open_reader
from ._scan import Found, scan
from ._sink import sync_folder
from ._v1 import ENTRY, HEADER, MAGIC, parse_record
from ._v2 import pack_footer, pack_header
from ._v2_format import pack_index
from ._v2_frame import looks_like_version_2, read_head

# What the system says of opening and mapping a file; all else is about writing.
_NOT_TO_WRITE = frozenset(
    (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
)


@dataclass(frozen=True)
class Recovery:
    """What :func:`recover` did.

    Attributes:
        path: The file, which can be opened now.
        records: The records in it.
        damaged: The numbers of those that are damaged; reading one raises RecordCorruptError.
        dropped_bytes: The bytes at the end that belonged to no complete record.
        changed: Whether the file was changed; one that is complete is left as it is.

    Example:
        >>> with RecordWriter("whole.rrec") as writer:
        ...     writer.append(np.zeros(2, np.float32), 0)
        >>> recover("whole.rrec").changed
        False
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

    What is completed is ``PATH.partial``, if there is one, and it gets the name that its writer
    would have given it: a file that the writer was to replace is replaced, unless there is no
    record to save. Without ``PATH.partial`` the file itself is completed in place.

    Args:
        path: The path that was given to the writer.

    Raises:
        FileNotFoundError: There is no such file, finished or not.
        RecordFormatError: It is no record file, or no regular file.
        RecordCorruptError: Its header or its metadata is damaged.
        RecordFileIncompleteError: Another process is still writing to it.
        RecordWriteError: The disk is full, or refuses for another reason.

    Example:
        >>> with RecordWriter("good.rrec") as writer:
        ...     writer.append(np.zeros(2, np.float32), 0)
        >>> recover("good.rrec").records
        1
    """
    target = Path(path).absolute()
    partial = partial_of(target)
    while True:
        place = partial if partial.exists() else target
        try:
            recovery = _recovered(place, target)
        except FileNotFoundError:
            if place == target:
                raise
            continue  # its writer has just finished
        if recovery is not None:
            return recovery


def _recovered(place: Path, target: Path) -> Recovery | None:
    """Complete the file at one place and give it the name of another, which may be the same.

    Returns:
        None if the place leads to no file, or to another one, by now.
    """
    check_regular(place)
    try:
        # locked to the end, or another writer would take the place
        with open(place, "r+b") as file:
            if not lock_for_writing(file):
                raise RecordFileIncompleteError(f"{place} is still being written by another writer")
            if not has_name(file, place):
                return None
            if place != target and os.path.lexists(target):
                check_regular(target)
                _check_start(target, _first_bytes(target))
            recovery = _in_place(place, file)
            if place == target:
                return recovery
            if os.name == "nt":  # Windows neither removes nor renames an open file
                file.close()
            if not recovery.records and target.exists():
                place.unlink()
                return None
            os.replace(place, target)
            sync_folder(target)
            return replace(recovery, path=target, changed=True)
    except OSError as error:  # also from closing, which writes what a full disk refused before
        if isinstance(error, RecordError) or error.errno in _NOT_TO_WRITE:
            raise
        raise RecordWriteError(error.errno, error.strerror, str(place)) from error


def _in_place(path: Path, file: BinaryIO) -> Recovery:
    """Complete a locked file under its own name."""
    with suppress(RecordError):
        return _complete(path)
    mapped = MappedFile(path)
    start = mapped.view(0, 8).tobytes()
    if not looks_like_version_2(mapped):
        _check_start(path, start)
    mend = _mend_version_1 if start[4:] == b"\1\0\0\0" else _mend_version_2
    recovery = mend(mapped, file)
    sync_file(file.fileno())
    sync_folder(path)
    return recovery


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(8)


def _check_start(path: Path, start: bytes) -> None:
    """Refuse a file whose first 8 bytes, or less if it has less, are not those of a record file."""
    if not any((MAGIC + bytes([version, 0, 0, 0])).startswith(start) for version in (1, 2)):
        raise RecordFormatError(f"{path} is no record file: it begins with {start!r}")


def _complete(path: Path) -> Recovery:
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
    sync_file(file.fileno())
    file.seek(0)
    file.write(HEADER.pack(MAGIC, 1, len(entries), end))
    file.flush()
    return Recovery(mapped.path, len(entries), (), max(mapped.size - end, 0), changed=True)
