"""Arrays that numpy wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError

from .._array import ArrayDataset
from .._rrec._file import check_regular
from ._naming import decoding, naming
from ._options import Options
from ._source import Sample, Source, numbered


def from_npz(path: Path, options: Options) -> Source:
    """The rows of two arrays as inputs and targets, or of all arrays as dicts."""
    check_regular(path)
    with (
        open(path, "rb") as file,
        decoding(path, ".npz of plain arrays"),
        np.load(file, allow_pickle=False) as archive,
    ):
        if options.parts:
            names = [n for n in options.input or archive.files if n not in options.exclude]
        else:
            names = [_one(options.input, "input"), _one(options.target, "target")]
        missing = [name for name in names if name not in archive]
        if missing:
            raise ArgumentError(
                f"{path} has no array {missing[0]!r}; it has {', '.join(archive.files)} "
                "(--input and --target choose, --parts takes them all)"
            )
        arrays = {name: archive[name] for name in names}
    if options.parts:
        return _dicts(path, arrays)
    return _pairs(str(path), arrays[names[0]], arrays[names[1]], options)


def from_npy(paths: Sequence[Path], options: Options) -> Source:
    """The rows of one file as samples, or those of two as inputs and targets.

    Raises:
        ArgumentError: There are more than two.
    """
    if len(paths) > 2:
        raise ArgumentError(
            f"{len(paths)} .npy files: one holds samples, or two hold inputs and targets in this "
            "order; an .npz with --parts holds samples of more arrays"
        )
    arrays = [_mapped(path) for path in paths]
    if len(arrays) == 2:
        return _pairs(f"{paths[0]} and {paths[1].name}", arrays[0], arrays[1], options)
    _check_rows(paths[0], arrays)
    samples = (Sample(f"{paths[0]}, sample {k}", (row,)) for k, row in enumerate(arrays[0]))
    return Source(len(arrays[0]), samples, {})


def _one(names: Sequence[str] | None, default: str) -> str:
    if names is not None and len(names) != 1:
        raise ArgumentError(
            f"one array holds the {default}s of an .npz, not {len(names)}; --parts takes several"
        )
    return names[0] if names else default


def _mapped(path: Path) -> npt.NDArray[Any]:
    check_regular(path)
    with decoding(path, ".npy of a plain array"):
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ArgumentError(f"{path} is no .npy: it is an archive, whose name ends with .npz")
    return array


def _dicts(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> Source:
    _check_rows(path, list(arrays.values()))
    length = len(next(iter(arrays.values())))
    samples = (
        Sample(f"{path}, sample {k}", ({name: array[k] for name, array in arrays.items()},))
        for k in range(length)
    )
    return Source(length, samples, {})


def _pairs(
    name: str, inputs: npt.NDArray[Any], targets: npt.NDArray[Any], options: Options
) -> Source:
    metadata: dict[str, Any] = {}
    if targets.dtype.kind in "US" and targets.ndim == 1:
        labels = targets.astype(np.str_)
        order = numbered(set(labels.tolist()), options.classes, f"the target of {name}")
        numbers = {label: k for k, label in enumerate(order)}
        targets = np.array([numbers[label] for label in labels.tolist()], np.int32)
        metadata["classes"] = order
    elif options.classes is not None:
        raise ArgumentError(f"classes are given, and the targets of {name} are no names of them")
    with naming(name):
        ArrayDataset(inputs, targets)  # refuses lengths that differ
    if len(inputs) and not (inputs.nbytes or targets.nbytes):
        raise ArgumentError(f"{name} claims {len(inputs)} samples without a byte in them")
    pairs = enumerate(zip(inputs, targets, strict=True))
    samples = (Sample(f"{name}, sample {k}", pair) for k, pair in pairs)
    return Source(len(inputs), samples, metadata)


def _check_rows(path: Path, arrays: Sequence[npt.NDArray[Any]]) -> None:
    """Refuse arrays that do not hold as many samples as each other."""
    lengths = {len(array) if array.ndim else None for array in arrays}
    if len(lengths) != 1 or None in lengths:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ArgumentError(
            f"{path}: the first axis is that of samples, and must be of one length in each array; "
            f"the shapes are {shapes}"
        )
    if lengths != {0} and not any(array.nbytes for array in arrays):
        raise ArgumentError(f"{path} claims {lengths.pop()} samples without a byte in them")
