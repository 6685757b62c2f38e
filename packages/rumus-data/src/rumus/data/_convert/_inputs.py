"""Which kind of input it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rumus.tensor import ArgumentError

from .._errors import RecordFormatError
from .._rrec._dataset import RecordDataset
from ._arrays import from_npy, from_npz
from ._arrow import ARROW, PARQUET, ArrowTable
from ._csv import CsvTable
from ._images import IMAGES, from_folder
from ._naming import naming
from ._options import Options
from ._samples_of_table import samples_of
from ._source import Sample, Source

_CSV = frozenset((".csv", ".tsv"))
_OF_IMAGES = ("resize", "any_size", "channels", "bits")
_OF_TABLES = ("input", "target", "exclude", "parts", "dtypes", "missing", "on_error", "classes")
_KINDS = (
    "inputs are a folder with a folder of images for each class; .csv and .tsv; .npz; one .npy, or "
    "two of inputs and targets; .parquet, .arrow and .feather; and record files"
)


def opened(paths: Sequence[Path], options: Options) -> Source:
    """What the paths hold.

    Raises:
        ArgumentError: They are no input, or of several kinds.
        FileNotFoundError: One of them is not there.
    """
    if not paths:
        raise ArgumentError(f"there is no input; {_KINDS}")
    first = paths[0]
    for path in paths:
        path.stat()
    suffixes = {path.suffix.lower() for path in paths}
    if any(path.is_dir() for path in paths):
        if len(paths) > 1:
            raise ArgumentError(f"{first} and {len(paths) - 1} more: take one folder at a time")
        options.check_for("images", "classes", "on_error", *_OF_IMAGES)
        return from_folder(first, options)
    if suffixes <= _CSV:
        options.check_for("CSV", *_OF_TABLES, "delimiter", "encoding", "header")
        return samples_of(CsvTable(paths, options), options)
    if suffixes <= PARQUET | ARROW:
        options.check_for("Parquet and Arrow", *_OF_TABLES)
        return samples_of(ArrowTable(paths), options)
    if suffixes == {".npy"}:
        options.check_for(".npy", "classes")
        return from_npy(paths, options)
    if suffixes == {".npz"} and len(paths) == 1:
        options.check_for(".npz", "input", "target", "exclude", "parts", "classes")
        with naming(first):
            return from_npz(first, options)
    source = _records(paths)
    options.check_for("record files")
    return source


def _records(paths: Sequence[Path]) -> Source:
    try:
        datasets = [RecordDataset(path, mapped=False) for path in paths]
    except RecordFormatError as error:
        raise ArgumentError(f"{error}: {_advice(paths)}{_KINDS}") from error
    RecordDataset(paths, mapped=False)  # refuses files whose samples differ in structure
    samples = (
        Sample(f"{path}, record {k}", dataset.read(k))
        for path, dataset in zip(paths, datasets, strict=True)
        for k in range(len(dataset))
    )
    return Source(sum(map(len, datasets)), samples, datasets[0].metadata)


def _advice(paths: Sequence[Path]) -> str:
    suffixes = {path.suffix.lower() for path in paths}
    if suffixes <= IMAGES:
        return "give the folder that holds the folders of images; "
    if suffixes & {".zip", ".gz", ".tar", ".tgz", ".7z"}:
        return "unpack it first; "
    if suffixes & {".xlsx", ".xls", ".ods"}:
        return "save the sheet as CSV first; "
    if suffixes & {".json", ".jsonl", ".pkl", ".pt", ".h5", ".hdf5", ".mat", ".txt"}:
        return "read it in Python, and write what it holds with rumus.data.RecordWriter; "
    return ""
