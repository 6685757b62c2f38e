"""Data sets, record files and the loader that feeds a training loop from them."""

import typing as _typing

from .__about__ import __version__
from ._array import ArrayDataset
from ._convert._conversion import Conversion, convert
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
    TokenizerError,
)
from ._item import DataItem
from ._loader import DataLoader
from ._map import MapDataset
from ._padding import Padded, pad_collate
from ._rrec._dataset import RecordDataset, RecordSchema
from ._rrec._layout import Field
from ._rrec._recover import Recovery, recover
from ._rrec._writer import RecordWriter
from ._sample_random import sample_generator
from ._samplers import BalancedSampler, LengthBatches, WeightedSampler
from ._sharded import ShardedLoader
from ._stats import LoaderStats
from ._stream import StreamDataset
from ._subset import ConcatDataset, Subset, random_split
from ._tokens._byte_pairs import BytePairTokenizer
from ._tokens._characters import CharacterTokenizer
from ._tree import to_device

if not _typing.TYPE_CHECKING:  # else checkers would take any name
    from ._foreign import missing as __getattr__  # noqa: F401

__all__ = [
    "ArrayDataset",
    "BalancedSampler",
    "BytePairTokenizer",
    "CharacterTokenizer",
    "ConcatDataset",
    "Conversion",
    "DataItem",
    "DataLoader",
    "Dataset",
    "DatasetError",
    "Field",
    "LengthBatches",
    "LoaderStateError",
    "LoaderStats",
    "LoopInUseError",
    "MapDataset",
    "Padded",
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
    "StreamDataset",
    "Subset",
    "TokenizerError",
    "WeightedSampler",
    "__version__",
    "convert",
    "pad_collate",
    "random_split",
    "recover",
    "sample_generator",
    "to_device",
]
