"""Files of a checkpoint: written in blocks, summed on the way, on disk when they are done."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK = 4 << 20
_CODES = {"<f4": "F32", "<f2": "F16", "<i4": "I32", "|u1": "U8", "|b1": "BOOL"}
_CODES |= {"<f8": "F64", "<i8": "I64", "<u4": "U32", "<u8": "U64"}

Array = npt.NDArray[Any]
Entry = dict[str, Any]


def write_json(path: Path, content: Any) -> Entry:
    """Write a JSON file."""
    return _write(path, [json.dumps(content, indent=1).encode()])


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> tuple[Entry, dict[str, Any]]:
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
        begin, end = end, end + array.nbytes
        entry = {"dtype": _CODES[array.dtype.str], "shape": list(array.shape)}
        header[name] = {**entry, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    listed = {
        name: {
            "dtype": str(arrays[name].dtype),
            "shape": list(arrays[name].shape),
            "parts": [[path.name, start + header[name]["data_offsets"][0], arrays[name].nbytes]],
        }
        for name in names
    }
    blocks = [len(text).to_bytes(8, "little") + text]
    return _write(path, [*blocks, *(arrays[name] for name in names)]), listed


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


def _write(path: Path, parts: list[bytes | Array]) -> Entry:
    size = found = 0
    with path.open("wb") as file:
        for part in parts:
            whole: Any = part if isinstance(part, bytes) else np.ascontiguousarray(part).reshape(-1)
            view = memoryview(whole).cast("B") if len(whole) else memoryview(b"")
            for start in range(0, len(view), _BLOCK):
                block = view[start : start + _BLOCK]
                file.write(block)
                size, found = size + len(block), zlib.crc32(block, found)
        file.flush()
        os.fsync(file.fileno())
    return {"size": size, "crc32": found}
