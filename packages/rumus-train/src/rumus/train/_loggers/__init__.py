"""Where the values of a run go, a file a sink."""

from ._csv import CsvLogger
from ._jsonl import JsonLinesLogger
from ._sink import Logger
from ._tensorboard import TensorBoardLogger

__all__ = ["CsvLogger", "JsonLinesLogger", "Logger", "TensorBoardLogger"]
