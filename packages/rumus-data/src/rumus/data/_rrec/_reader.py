"""One record file of any version."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .._buffers import BufferPool
from .._errors import RecordFileIncompleteError, RecordFormatError
from .._open_batch import OpenBatch
from ._file import RecordFile
from ._layout import Layout
from ._mapped import MappedFile
from ._unmapped import UnmappedFile
from ._v1 import MAGIC, Version1Reader
from ._v2_frame import looks_like_version_2
from ._v2_reader import Check, Version2Reader


class Reader(Protocol):
    """What each version's reader can do. Safe to share between threads."""

    version: int
    file: RecordFile
    metadata: dict[str, Any]

    def __len__(self) -> int:
        """The number of records."""
        ...

    def read(self, number: int, copy: bool) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The input and the target of one record; unless copied, views of a file that is mapped."""
        ...

    def uniform(self) -> Layout | None:
        """How every record is divided, if all of them are alike; else None."""
        ...

    def is_regular(self) -> bool:
        """Whether all records are equally long and lie behind each other."""
        ...

    def gather(
        self, numbers: npt.NDArray[np.intp], pool: BufferPool
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
        """The inputs and the targets of some records in one copy; None if they are not alike."""
        ...

    def open_batch(self, numbers: npt.NDArray[np.intp], pool: BufferPool) -> OpenBatch | None:
        """The same, still to be copied; None if they may not be alike."""
        ...

    def check_index(self) -> None:
        """Check everything that says where the records are."""
        ...

    def verify(self, progress: Callable[[int], None]) -> None:
        """Check every record; ``progress`` is called with the number of records done so far."""
        ...


def open_reader(
    path: str | os.PathLike[str], check: Check = "first", mapped: bool = True
) -> Reader:
    """Open a record file.

    Raises:
        FileNotFoundError: There is no such file.
        RecordFormatError: The path is no record file, or its version is unknown.
        RecordFileIncompleteError: Its writer has not finished it.
    """
    file = MappedFile(path) if mapped else UnmappedFile(path)
    start = file.view(0, 8).tobytes()
    if looks_like_version_2(file):
        return Version2Reader(file, check)
    if start[:4] != MAGIC[: len(start)]:
        raise RecordFormatError(
            f"{file.path} is no record file: it begins with {start[:4]!r}, not {MAGIC!r}"
        )
    if len(start) < 8:
        raise RecordFileIncompleteError(
            f"{file.path} has {len(start)} bytes, less than the beginning of a header"
        )
    version = int.from_bytes(start[4:], "little")
    if version == 1:
        return Version1Reader(file)
    raise RecordFormatError(f"{file.path} has version {version}; versions 1 and 2 are known")
