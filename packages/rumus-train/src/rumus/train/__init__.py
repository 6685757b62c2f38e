"""The training loop: a step that never waits for the device, and the mean loss of an epoch."""

from .__about__ import __version__
from ._errors import EmptyEpochError, MissingExtraError, RunFileError
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
from ._trainer import OptimizerLike, Trainer

__all__ = [
    "F1",
    "MAE",
    "MSE",
    "R2",
    "RMSE",
    "ROCAUC",
    "Accuracy",
    "AveragePrecision",
    "ConfusionMatrix",
    "CsvLogger",
    "EmptyEpochError",
    "JsonLinesLogger",
    "Logger",
    "MeanIoU",
    "MeanLoss",
    "Metric",
    "MissingExtraError",
    "OptimizerLike",
    "Perplexity",
    "Precision",
    "Recall",
    "RunFileError",
    "TensorBoardLogger",
    "TopK",
    "Trainer",
    "__version__",
    "read_metrics",
]
