"""Data sets, record files and the loader that feeds a training loop from them."""

from .__about__ import __version__
from ._array import ArrayDataset
from ._dataset import Dataset
from ._errors import (
    DatasetError,
    LoaderStateError,
    RecordCorruptError,
    RecordError,
    RecordFileIncompleteError,
    RecordFormatError,
    RecordWriteError,
)
from ._item import DataItem
from ._loader import DataLoader
from ._rrec._dataset import RecordDataset
from ._rrec._writer import RecordWriter
from ._stats import LoaderStats

__all__ = [
    "ArrayDataset",
    "DataItem",
    "DataLoader",
    "Dataset",
    "DatasetError",
    "LoaderStateError",
    "LoaderStats",
    "RecordCorruptError",
    "RecordDataset",
    "RecordError",
    "RecordFileIncompleteError",
    "RecordFormatError",
    "RecordWriteError",
    "RecordWriter",
    "__version__",
]
