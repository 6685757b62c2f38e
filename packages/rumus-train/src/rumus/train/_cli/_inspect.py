"""`rumus-train inspect`: what a checkpoint or a weight file holds."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._errors import RunFileError
from ._text import say

_MANIFEST = "manifest.json"
_LARGEST_HEADER = 100_000_000
"""Bytes: the limit of the safetensors format."""


def inspect(paths: Sequence[Path], verify: bool) -> int:
    """Print the arrays of checkpoints, of run folders' newest ones, or of safetensors files."""
    sound = [_inspect(path, verify) for path in paths]
    return 0 if all(sound) else 1


def _inspect(path: Path, verify: bool) -> bool:
    if path.is_file():
        arrays, about = _header(path)
        _print_arrays(f"{path}: ", arrays)
        for name, value in about.items():
            say(f"{name}: {value}")
        return True
    folder = path if (path / _MANIFEST).exists() else _newest(path)
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        files, arrays = manifest["files"], manifest["arrays"]
    except (ValueError, KeyError, TypeError) as error:
        raise RunFileError(f"{folder / _MANIFEST} is no manifest of a checkpoint") from error
    progress = ", ".join(f"{k} {v}" for k, v in manifest.get("progress", {}).items())
    say(f"{folder}: {progress}")
    for name, value in manifest.get("metrics", {}).items():
        say(f"  {name} {value}")
    damage = [
        found for name, entry in files.items() if (found := _damage(folder, name, entry, verify))
    ]
    _print_arrays("", arrays)
    for line in damage:
        say(f"DAMAGED: {line}")
    if not damage:
        say("all files are there" + (", and have the checksums of the manifest" if verify else ""))
    return not damage


def _newest(path: Path) -> Path:
    found = sorted(path.glob("**/step-*/" + _MANIFEST), key=lambda p: p.parent.name)
    if not found:
        raise RunFileError(
            f"{path} is neither a safetensors file, nor a checkpoint with a {_MANIFEST}, nor a "
            "folder of them"
        )
    return found[-1].parent


def _damage(folder: Path, name: str, entry: Mapping[str, Any], verify: bool) -> str:
    file = folder / name
    size = file.stat().st_size if file.is_file() else None
    if size != entry["size"]:
        return f"{name} has {size} bytes of {entry['size']}" if size is not None else f"no {name}"
    if verify:
        found = 0
        with file.open("rb") as opened:
            while block := opened.read(1 << 22):
                found = zlib.crc32(block, found)
        if found != entry["crc32"]:
            return f"{name} does not have the bytes that were written"
    return ""


def _header(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The arrays of a safetensors file, in the manifest's form, and its metadata."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            if not 2 <= length <= min(_LARGEST_HEADER, path.stat().st_size - 8):
                raise ValueError(f"a header of {length} bytes")
            entries = json.loads(file.read(length))
            about = entries.pop("__metadata__", {})
            arrays = {
                name: {
                    "dtype": entry["dtype"],
                    "shape": entry["shape"],
                    "parts": [
                        [
                            path.name,
                            8 + length + entry["data_offsets"][0],
                            entry["data_offsets"][1] - entry["data_offsets"][0],
                        ]
                    ],
                }
                for name, entry in entries.items()
            }
            return arrays, dict(about)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunFileError(f"{path} is no safetensors file ({error})") from error


def _print_arrays(title: str, arrays: Mapping[str, Any]) -> None:
    rows = [("name", "dtype", "shape", "bytes", "parts")]
    total = elements = 0
    for name, entry in arrays.items():
        nbytes = sum(part[2] for part in entry["parts"])
        total += nbytes
        count = 1
        for length in entry["shape"]:
            count *= length
        elements += count
        shape = "×".join(map(str, entry["shape"])) or "()"
        where = ", ".join(f"{file}+{offset}" for file, offset, _ in entry["parts"])
        rows.append((name, str(entry["dtype"]), shape, f"{nbytes:,}", where))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    say(f"{title}{len(arrays)} arrays, {elements:,} numbers, {total:,} bytes")
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)]
        say("  ".join([*cells, row[4]]))
