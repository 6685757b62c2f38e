"""Files of a checkpoint: written in blocks, summed on the way, on disk when they are done."""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import Tensor

_BLOCK = 4 << 20
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


def _write(path: Path, parts: Iterable[bytes | Array | Tensor]) -> Entry:
    """Write parts one after the other, and sum them up meanwhile."""
    size = found = 0
    with ThreadPoolExecutor(1, "rumus-checksum") as beside, path.open("wb") as file:
        for part in parts:
            blocks = _blocks(part)
            summed = beside.submit(_checksum, blocks, found)
            for block in blocks:
                size += file.write(block)
            found = summed.result()
        file.flush()
        _sync(file.fileno())
    return {"size": size, "crc32": found}


def _blocks(part: bytes | Array | Tensor) -> list[memoryview]:
    """The bytes of a part; a tensor's are read."""
    array = part.numpy() if isinstance(part, Tensor) else part
    whole: Any = array if isinstance(array, bytes) else np.ascontiguousarray(array).reshape(-1)
    view = memoryview(whole).cast("B") if len(whole) else memoryview(b"")
    return [view[start : start + _BLOCK] for start in range(0, len(view), _BLOCK)]


def _checksum(blocks: Iterable[memoryview], found: int) -> int:
    for block in blocks:
        found = zlib.crc32(block, found)
    return found
