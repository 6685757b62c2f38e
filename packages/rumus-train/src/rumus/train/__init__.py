"""The training loop, and what is around it: metrics, loggers, tools."""

import typing as _typing

from .__about__ import __version__
from ._callbacks.bar import ProgressBar
from ._callbacks.limits import TimeLimit
from ._callbacks.logger import Log, Sink
from ._callbacks.monitors import LearningRateMonitor, OnEvent, Timing
from ._callbacks.nonfinite import StopOnNonFinite
from ._callbacks.norms import GradientNorms, WeightNorms
from ._callbacks.watching import EarlyStopping
from ._errors import (
    CheckpointError,
    EmptyEpochError,
    GroupError,
    MissingExtraError,
    NonFiniteError,
    RunFileError,
    RunFolderError,
)
from ._evaluate import Validate
from ._events import Callback, Event
from ._every import Every
from ._group.alone import Alone
from ._group.contract import Group, Pending
from ._group.find import find_group
from ._group.mpi import MpiGroup
from ._keep import Keep, KeepBest, KeepEvery, KeepLast, Saved
from ._loggers import CsvLogger, JsonLinesLogger, Logger, TensorBoardLogger
from ._metrics import (
    F1,
    MAE,
    MSE,
    R2,
    RMSE,
    ROCAUC,
    Accuracy,
    AveragePrecision,
    ConfusionMatrix,
    MeanIoU,
    MeanLoss,
    Metric,
    Perplexity,
    Precision,
    Recall,
    TopK,
    read_metrics,
)
from ._optimizers import OptimizerLike
from ._progress import Progress
from ._run import Run
from ._run_folder import RunFolder, load_checkpoint
from ._tools import (
    LrRange,
    OverfitReport,
    Profiler,
    ProfileSteps,
    find_batch_size,
    find_shards,
    lr_range_test,
    overfit_one_batch,
    seed_everything,
)
from ._trainer import Trainer

if not _typing.TYPE_CHECKING:  # else checkers would take any name
    from ._foreign import missing as __getattr__  # noqa: F401

__all__ = [
    "F1",
    "MAE",
    "MSE",
    "R2",
    "RMSE",
    "ROCAUC",
    "Accuracy",
    "Alone",
    "AveragePrecision",
    "Callback",
    "CheckpointError",
    "ConfusionMatrix",
    "CsvLogger",
    "EarlyStopping",
    "EmptyEpochError",
    "Event",
    "Every",
    "GradientNorms",
    "Group",
    "GroupError",
    "JsonLinesLogger",
    "Keep",
    "KeepBest",
    "KeepEvery",
    "KeepLast",
    "LearningRateMonitor",
    "Log",
    "Logger",
    "LrRange",
    "MeanIoU",
    "MeanLoss",
    "Metric",
    "MissingExtraError",
    "MpiGroup",
    "NonFiniteError",
    "OnEvent",
    "OptimizerLike",
    "OverfitReport",
    "Pending",
    "Perplexity",
    "Precision",
    "ProfileSteps",
    "Profiler",
    "Progress",
    "ProgressBar",
    "Recall",
    "Run",
    "RunFileError",
    "RunFolder",
    "RunFolderError",
    "Saved",
    "Sink",
    "StopOnNonFinite",
    "TensorBoardLogger",
    "TimeLimit",
    "Timing",
    "TopK",
    "Trainer",
    "Validate",
    "WeightNorms",
    "__version__",
    "find_batch_size",
    "find_group",
    "find_shards",
    "load_checkpoint",
    "lr_range_test",
    "overfit_one_batch",
    "read_metrics",
    "seed_everything",
]
