"""Data sets, record files and the loader that feeds a training loop from them."""

from .__about__ import __version__
from ._array import ArrayDataset
from ._dataset import Dataset
from ._errors import (
    DatasetError,
    LoaderStateError,
    LoopInUseError,
    RecordCorruptError,
    RecordError,
    RecordFileChangedError,
    RecordFileIncompleteError,
    RecordFormatError,
    RecordWriteError,
)
from ._item import DataItem
from ._loader import DataLoader
from ._map import MapDataset
from ._rrec._dataset import RecordDataset, RecordSchema
from ._rrec._layout import Field
from ._rrec._recover import Recovery, recover
from ._rrec._writer import RecordWriter
from ._sample_random import sample_generator
from ._sharded import ShardedLoader
from ._stats import LoaderStats
from ._subset import ConcatDataset, Subset, random_split

__all__ = [
    "ArrayDataset",
    "ConcatDataset",
    "DataItem",
    "DataLoader",
    "Dataset",
    "DatasetError",
    "Field",
    "LoaderStateError",
    "LoaderStats",
    "LoopInUseError",
    "MapDataset",
    "RecordCorruptError",
    "RecordDataset",
    "RecordError",
    "RecordFileChangedError",
    "RecordFileIncompleteError",
    "RecordFormatError",
    "RecordSchema",
    "RecordWriteError",
    "RecordWriter",
    "Recovery",
    "ShardedLoader",
    "Subset",
    "__version__",
    "random_split",
    "recover",
    "sample_generator",
]
