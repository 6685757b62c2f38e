"""Metrics, a file an idea: what accumulates them, and those that are ready to use."""

from ._accuracy import Accuracy, TopK
from ._confusion import ConfusionMatrix, MeanIoU
from ._curves import ROCAUC, AveragePrecision
from ._loss import MeanLoss, Perplexity
from ._metric import Metric, read_metrics
from ._precision_recall import F1, Precision, Recall
from ._regression import MAE, MSE, R2, RMSE

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
    "MeanIoU",
    "MeanLoss",
    "Metric",
    "Perplexity",
    "Precision",
    "Recall",
    "TopK",
    "read_metrics",
]
