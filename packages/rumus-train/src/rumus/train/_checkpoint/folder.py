"""A folder of checkpoints: written whole or not at all, found, checked, cleaned up."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from rumus.tensor import Tensor, from_numpy

from .._errors import CheckpointError
from .._keep import Keep, Saved
from .._progress import Progress
from .._warn import warn
from .files import Array, checksum, sync_folder, write_arrays, write_json
from .split import join_state

FORMAT = 1
_NAME = re.compile(r"step-(\d{8,})(?:-(\d+))?")
_MANIFEST, _STATE = "manifest.json", "state.json"
_MODEL = "model/"

Entries = dict[str, Any]


def write(
    root: Path,
    progress: Progress,
    metrics: Mapping[str, float],
    arrays: Mapping[str, Array | Tensor],
    rest: Any,
) -> Path:
    """Write a checkpoint: files, manifest, name, each on disk before the next.

    The arrays below ``model/`` are ``model.safetensors``, by the names of the model's parameters;
    all others are ``state.safetensors``.
    """
    target, under = begin(root, progress)
    files, listed = write_whole(under, arrays)
    commit(target, under, progress, metrics, files, listed, rest)
    return target


def begin(root: Path, progress: Progress) -> tuple[Path, Path]:
    """A checkpoint's place, and the empty folder for its files until it has all of them."""
    target = _free_name(root, progress.step)
    under = root / f".{target.name}.tmp"
    shutil.rmtree(under, ignore_errors=True)
    under.mkdir(parents=True)
    return target, under


def write_whole(under: Path, arrays: Mapping[str, Array | Tensor]) -> tuple[Entries, Entries]:
    """Write the files of arrays that one process has; the files' and the arrays' entries.

    They are written at the same time, so that the disk gets one while another is being synced.
    """
    model = {n[len(_MODEL) :]: a for n, a in arrays.items() if n.startswith(_MODEL)}
    state = {n: a for n, a in arrays.items() if not n.startswith(_MODEL)}
    files: Entries = {}
    listed: Entries = {}
    names = ("model.safetensors", "state.safetensors")
    with ThreadPoolExecutor(2, "rumus-checkpoint") as beside:
        written = beside.map(write_arrays, [under / name for name in names], [model, state])
        for name, prefix, (file, arrays_of) in zip(names, (_MODEL, ""), written, strict=True):
            files[name] = file
            listed |= {prefix + array: entry for array, entry in arrays_of.items()}
    return files, listed


def commit(
    target: Path,
    under: Path,
    progress: Progress,
    metrics: Mapping[str, float],
    files: Entries,
    listed: Entries,
    rest: Any,
) -> None:
    """Make a checkpoint of files that are on disk: manifest, then name."""
    files = {**files, _STATE: write_json(under / _STATE, rest)}
    manifest = {
        "format": FORMAT,
        "progress": progress.state_dict(),
        "metrics": dict(metrics),
        "files": files,
        "arrays": listed,
    }
    write_json(under / _MANIFEST, manifest)
    sync_folder(under)
    os.rename(under, target)
    sync_folder(target.parent)


def saved(root: Path) -> list[Saved]:
    """The checkpoints in a folder whose files are all there, oldest first."""
    found = []
    for path in sorted((p for p in root.glob("step-*") if _NAME.fullmatch(p.name)), key=_order):
        manifest = _manifest(path)
        if manifest is not None and not _damage(path, manifest, thorough=False):
            progress = Progress.from_state(manifest["progress"])
            found.append(Saved(path.name, progress, manifest["metrics"]))
    return found


def read(path: Path) -> dict[str, Any]:
    """The state in a checkpoint, its checksums compared.

    Raises:
        CheckpointError: It is damaged, of a newer format, or none.
    """
    manifest = _manifest(path)
    if manifest is None:
        raise CheckpointError(f"{path} is no checkpoint: it has no {_MANIFEST} that can be read")
    damage = _damage(path, manifest, thorough=True)
    if damage:
        raise CheckpointError(f"{path} is damaged: {damage}")
    arrays = {n: _array(path, e) for n, e in manifest["arrays"].items()}
    return state_of(arrays, json.loads((path / _STATE).read_text("utf-8")))


def state_of(arrays: Mapping[str, Array], rest: Any) -> dict[str, Any]:
    """The state of a snapshot: of its arrays and what JSON holds of it."""
    tensors = {n: from_numpy(a) for n, a in arrays.items() if n.startswith(_MODEL)}
    state: dict[str, Any] = join_state({**arrays, **tensors}, rest)
    return state


def read_newest(root: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that is whole, and its state; None if there is none."""
    for entry in reversed(saved(root)):
        try:
            return root / entry.name, read(root / entry.name)
        except CheckpointError as error:
            if "newer" in str(error):
                raise
            warn(f"{error}; the one before it is taken")
    return None


def clean(root: Path, keep: Keep | None = None) -> None:
    """Remove what killed saves left, and what a policy does not keep."""
    for path in root.glob(".step-*.tmp"):
        shutil.rmtree(path, ignore_errors=True)
    if keep is None:
        return
    there = saved(root)
    stays = {entry.name for entry in keep(there)}
    for entry in there:
        if entry.name not in stays:
            # Renamed first: half removed, it would look like a damaged checkpoint.
            gone = root / f".{entry.name}.tmp"
            os.rename(root / entry.name, gone)
            shutil.rmtree(gone, ignore_errors=True)


def _array(path: Path, entry: Mapping[str, Any]) -> Array:
    """An array of the manifest, put together of its parts."""
    dtype = np.dtype(entry["dtype"])
    parts = [
        np.fromfile(path / file, dtype, length // dtype.itemsize, offset=offset)
        for file, offset, length in entry["parts"]
    ]
    whole: Array = np.concatenate(parts).reshape(entry["shape"])
    return whole


def _free_name(root: Path, step: int) -> Path:
    """``step-00000012``, and ``step-00000012-1`` where that is taken, within the same step."""
    target = root / f"step-{step:08}"
    number = 0
    while target.exists():
        number += 1
        target = root / f"step-{step:08}-{number}"
    return target


def _order(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    assert match is not None, "only matching names are put in order"
    return int(match[1]), int(match[2] or 0)


def _manifest(path: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((path / _MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(manifest, dict) and type(manifest.get("format")) is int
    return manifest if known else None


def _damage(path: Path, manifest: Mapping[str, Any], thorough: bool) -> str:
    if manifest["format"] > FORMAT:
        raise CheckpointError(
            f"{path} has format {manifest['format']}, which is newer than this version of "
            f"rumus-train knows ({FORMAT}): install a newer one"
        )
    for name, entry in manifest["files"].items():
        file = path / name
        size = file.stat().st_size if file.is_file() else -1
        if size != entry["size"]:
            return f"{name} has {max(size, 0)} bytes of {entry['size']}"
        if thorough and checksum(file) != entry["crc32"]:
            return f"the bytes of {name} are not those that were written"
    return ""
