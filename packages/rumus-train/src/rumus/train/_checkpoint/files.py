"""Files of a checkpoint: written in blocks, summed on the way, on disk when they are done."""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import Tensor

_BLOCK = 4 << 20
_MOST = 1 << 28
"""Bytes that are given to the system at a time."""
_CODES = {"<f4": "F32", "<f2": "F16", "<i4": "I32", "|u1": "U8", "|b1": "BOOL"}
_CODES |= {"<f8": "F64", "<i8": "I64", "<u4": "U32", "<u8": "U64"}

Array = npt.NDArray[Any]
Entry = dict[str, Any]


def write_json(path: Path, content: Any) -> Entry:
    """Write a JSON file."""
    return _write(path, [json.dumps(content, indent=1).encode()])


def write_arrays(path: Path, arrays: Mapping[str, Array | Tensor]) -> tuple[Entry, dict[str, Any]]:
    """Write a safetensors file.

    Returns:
        The file's entry of the manifest, and for each array its dtype, its shape and where in the
        file it lies.
    """
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {}
    end = 0
    for name in names:
        array = arrays[name]
        begin, end = end, end + _nbytes(array)
        entry = {"dtype": _CODES[array.dtype.str], "shape": list(array.shape)}
        header[name] = {**entry, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    listed = {
        name: {
            "dtype": str(arrays[name].dtype),
            "shape": list(arrays[name].shape),
            "parts": [[path.name, start + header[name]["data_offsets"][0], _nbytes(arrays[name])]],
        }
        for name in names
    }
    blocks = [len(text).to_bytes(8, "little") + text]
    return _write(path, [*blocks, *(arrays[name] for name in names)]), listed


def _sync(descriptor: int) -> None:
    """Return only when a file is on the disk; macOS's fsync leaves it in the drive's cache."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # a file system that has no such call
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def _nbytes(array: Array | Tensor) -> int:
    return int(array.size * array.dtype.itemsize)


def sync_folder(path: Path) -> None:
    """Let the names in a folder be on disk; Windows has no way to ask for it, and needs none."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no such call
            os.fsync(handle)
    finally:
        os.close(handle)


def checksum(path: Path) -> int:
    """The CRC-32 of a file's bytes."""
    found = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found = zlib.crc32(block, found)
    return found


def _write(path: Path, parts: Sequence[bytes | Array | Tensor]) -> Entry:
    """Write parts one after the other, and sum them up beside that.

    Each call of the two releases Python's lock for long, and gets it back late where a training
    loop has it: so there are few calls.
    """
    size = found = 0
    with path.open("wb", buffering=0) as file, ThreadPoolExecutor(1, "rumus-checksum") as beside:
        if any(isinstance(part, Tensor) for part in parts):  # read one by one
            for part in parts:
                view = _bytes_of(part)
                found = zlib.crc32(view, found)
                size += _write_all(file, view)
        else:
            views = [_bytes_of(part) for part in parts]
            summed = beside.submit(_checksum, views)
            size = sum(_write_all(file, view) for view in views)
            found = summed.result()
        _sync(file.fileno())
    return {"size": size, "crc32": found}


def _bytes_of(part: bytes | Array | Tensor) -> memoryview:
    array = part.numpy() if isinstance(part, Tensor) else part
    whole: Any = array if isinstance(array, bytes) else np.ascontiguousarray(array).reshape(-1)
    return memoryview(whole).cast("B") if len(whole) else memoryview(b"")


def _write_all(file: FileIO, view: memoryview) -> int:
    """Write all bytes; the system may take fewer at a time."""
    written = 0
    while written < len(view):
        written += file.write(view[written : written + _MOST])
    return written


def _checksum(views: Iterable[memoryview]) -> int:
    found = 0
    for view in views:
        found = zlib.crc32(view, found)
    return found
