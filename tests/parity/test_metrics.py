"""Metrics against scikit-learn's on the same predictions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as theirs

from rumus.tensor import tensor
from rumus.train import (
    F1,
    R2,
    ROCAUC,
    AveragePrecision,
    ConfusionMatrix,
    MeanIoU,
    Metric,
    Precision,
    Recall,
    TopK,
)

RNG = np.random.default_rng(15)
N, C = 500, 6
LOGITS = RNG.normal(size=(N, C)).astype(np.float32)
IDS = RNG.integers(0, C - 1, N).astype(np.int32)  # class 5 never is a target
PREDICTED = LOGITS.argmax(1)
SCORES = RNG.random(N).astype(np.float32)
BINARY = (RNG.random(N) < SCORES).astype(np.int32)
VALUES = RNG.normal(1000.0, 1.0, N).astype(np.float32)
GUESSES = (VALUES + RNG.normal(0, 0.5, N)).astype(np.float32)
ALL = {"labels": range(C), "zero_division": 0}


@pytest.mark.parametrize("average", ["micro", "macro", None])
@pytest.mark.parametrize(
    ("ours", "score"),
    [
        (Precision, theirs.precision_score),
        (Recall, theirs.recall_score),
        (F1, theirs.f1_score),
    ],
)
def test_figures_of_classes(
    ours: Any, score: Callable[..., Any], average: str | None, device: str
) -> None:
    options = ALL if average is None else {"zero_division": 0}
    metric = ours(C, average=average)
    metric.update(tensor(LOGITS, device=device), tensor(IDS, device=device))
    np.testing.assert_allclose(metric.compute(), score(IDS, PREDICTED, average=average, **options))


FINE = 1 << 20
ROWS: list[tuple[Metric[Any], Any, Any, Any]] = [
    (MeanIoU(C), LOGITS, IDS, theirs.jaccard_score(IDS, PREDICTED, average="macro")),
    (TopK(2), LOGITS, IDS, theirs.top_k_accuracy_score(IDS, LOGITS, k=2, labels=range(C))),
    (ConfusionMatrix(C), LOGITS, IDS, theirs.confusion_matrix(IDS, PREDICTED, labels=range(C))),
    (F1(average="binary"), SCORES, BINARY, theirs.f1_score(BINARY, SCORES > 0.5)),
    (R2(), GUESSES, VALUES, theirs.r2_score(VALUES, GUESSES)),
    (ROCAUC(bins=FINE), SCORES, BINARY, theirs.roc_auc_score(BINARY, SCORES)),
    (
        AveragePrecision(bins=FINE),
        SCORES,
        BINARY,
        theirs.average_precision_score(BINARY, SCORES),
    ),
]


@pytest.mark.parametrize(("metric", "output", "target", "expected"), ROWS)
def test_other_figures(
    metric: Metric[Any], output: Any, target: Any, expected: Any, device: str
) -> None:
    metric.reset()
    metric.update(tensor(output, device=device), tensor(target, device=device))
    np.testing.assert_allclose(metric.compute(), expected, rtol=2e-6)
