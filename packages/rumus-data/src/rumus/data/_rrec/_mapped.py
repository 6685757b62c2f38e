"""A file mapped into memory, read-only."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import RecordFormatError

Bytes = npt.NDArray[np.uint8]


class MappedFile:
    """The bytes of a file, in the page cache and not in this process's own memory.

    Args:
        path: A regular file; it must not be cut while it is open.

    Raises:
        FileNotFoundError: There is no such file.
        RecordFormatError: The path is a folder or something else that cannot be mapped.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            raise RecordFormatError(f"{self.path} is a folder, not a record file")
        with open(self.path, "rb") as file:
            self.size = os.fstat(file.fileno()).st_size
            try:
                self.bytes = _mapped(file.fileno(), self.size)
            except (OSError, ValueError) as error:
                raise RecordFormatError(f"{self.path} cannot be mapped: {error}") from error

    def view(self, offset: int, nbytes: int) -> Bytes:
        """Bytes that are known to lie inside the file."""
        return self.bytes[offset : offset + nbytes]

    def array(self, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """An array of bytes that are known to lie inside the file, without a copy."""
        return np.ndarray(shape, dtype, self.bytes, offset)


def _mapped(descriptor: int, size: int) -> Bytes:
    if not size:
        return np.empty(0, np.uint8)
    return np.frombuffer(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ), np.uint8)
