"""Metrics against their formulas in numpy's float64, on both devices, captured and in parts."""

import json
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rumus import gpu, nn, tensor
from rumus.gpu._device import GpuDevice
from rumus.tensor import ArgumentError, DTypeError, IndexRangeError, ShapeError, Tensor
from rumus.train import (
    F1,
    MAE,
    MSE,
    R2,
    RMSE,
    ROCAUC,
    Accuracy,
    AveragePrecision,
    ConfusionMatrix,
    EmptyEpochError,
    MeanIoU,
    MeanLoss,
    Metric,
    Perplexity,
    Precision,
    Recall,
    TopK,
    Trainer,
    read_metrics,
)
from rumus.train._exact_sum import Multiple, Product

RNG = np.random.default_rng(15)
N, C = 61, 5
LOGITS = RNG.normal(size=(N, C)).astype(np.float32)
IDS = RNG.integers(0, C - 1, N).astype(np.int32)  # class 4 never is a target
SCORES = RNG.random(N).astype(np.float32)
BINARY = (RNG.random(N) < SCORES).astype(np.int32)
VALUES = RNG.normal(1000.0, 1.0, N).astype(np.float32)
GUESSES = (VALUES + RNG.normal(0, 0.5, N)).astype(np.float32)

Oracle = Callable[[Any, Any], Any]


def confusion(predicted: Any, target: Any, classes: int = C) -> Any:
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (target, predicted), 1)
    return matrix


def counts(logits: Any, ids: Any) -> tuple[Any, Any, Any]:
    matrix = confusion(logits.argmax(1), ids).astype(float)
    return np.diagonal(matrix), matrix.sum(0), matrix.sum(1)


def ratio(above: Any, below: Any) -> Any:
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)


def macro(values: Any, logits: Any, ids: Any) -> float:
    present = np.union1d(np.unique(ids), np.unique(logits.argmax(1)))
    return float(values[present].mean())


def precisions(logits: Any, ids: Any) -> Any:
    right, predicted, _ = counts(logits, ids)
    return ratio(right, predicted)


def recalls(logits: Any, ids: Any) -> Any:
    right, _, there = counts(logits, ids)
    return ratio(right, there)


def f1s(logits: Any, ids: Any) -> Any:
    p, r = precisions(logits, ids), recalls(logits, ids)
    return ratio(2 * p * r, p + r)


def top(k: int) -> Oracle:
    def share(logits: Any, ids: Any) -> float:
        best = np.argsort(-logits, axis=1, kind="stable")[:, :k]
        return float((best == ids[:, None]).any(1).mean())

    return share


def iou(logits: Any, ids: Any) -> float:
    predicted = logits.argmax(1)
    found = []
    for c in range(C):
        union = ((predicted == c) | (ids == c)).sum()
        if union:
            found.append(((predicted == c) & (ids == c)).sum() / union)
    return float(np.mean(found))


def perplexity(logits: Any, ids: Any) -> float:
    x = logits.astype(np.float64)
    logs = x - np.log(np.exp(x).sum(1, keepdims=True))
    return float(np.exp(-logs[np.arange(len(ids)), ids].mean()))


def r2(output: Any, target: Any) -> float:
    y, p = target.astype(np.float64), output.astype(np.float64)
    return float(1 - ((y - p) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def error(power: int) -> Oracle:
    return lambda o, t: float((np.abs(o.astype(np.float64) - t) ** power).mean())


CLASSES = LOGITS, IDS
NUMBERS = GUESSES, VALUES
TABLE: list[tuple[str, Callable[[], Metric[Any]], tuple[Any, Any], Oracle]] = [
    ("accuracy", Accuracy, CLASSES, lambda x, t: (x.argmax(1) == t).mean()),
    ("of ids", Accuracy, (LOGITS.argmax(1), IDS), lambda x, t: (x == t).mean()),
    ("binary", Accuracy, (SCORES, BINARY), lambda x, t: ((x > 0.5) == t).mean()),
    ("top 1", lambda: TopK(1), CLASSES, top(1)),
    ("top 2", lambda: TopK(2), CLASSES, top(2)),
    ("precision", lambda: Precision(C), CLASSES, lambda x, t: macro(precisions(x, t), x, t)),
    ("recall", lambda: Recall(C), CLASSES, lambda x, t: macro(recalls(x, t), x, t)),
    ("f1", lambda: F1(C), CLASSES, lambda x, t: macro(f1s(x, t), x, t)),
    ("f1s", lambda: F1(C, average=None), CLASSES, f1s),
    ("micro", lambda: F1(C, average="micro"), CLASSES, lambda x, t: (x.argmax(1) == t).mean()),
    ("matrix", lambda: ConfusionMatrix(C), CLASSES, lambda x, t: confusion(x.argmax(1), t)),
    ("iou", lambda: MeanIoU(C), CLASSES, iou),
    ("perplexity", Perplexity, CLASSES, perplexity),
    ("mae", MAE, NUMBERS, error(1)),
    ("mse", MSE, NUMBERS, error(2)),
    ("rmse", RMSE, NUMBERS, lambda o, t: math.sqrt(error(2)(o, t))),
    ("r2", R2, NUMBERS, r2),
    ("loss", lambda: MeanLoss(nn.mse_loss), NUMBERS, error(2)),
]
NAMES = [row[0] for row in TABLE]


def parts(arrays: tuple[Any, Any], device: str) -> list[tuple[Tensor, Tensor]]:
    """Batches of unequal sizes."""
    return [
        (tensor.tensor(a, device=device), tensor.tensor(b, device=device))
        for a, b in zip(*(np.split(array, [20, 40]) for array in arrays), strict=True)
    ]


@pytest.mark.parametrize(("name", "make", "arrays", "oracle"), TABLE, ids=NAMES)
def test_a_metric_is_its_formula_on_all_batches(
    name: str, make: Any, arrays: Any, oracle: Oracle, device: str
) -> None:
    metric, resumed, other = make(), make(), make()
    batches = parts(arrays, device)
    for batch in batches:
        metric.update(*batch)
    expected = oracle(*arrays)
    np.testing.assert_allclose(metric.compute(), expected, rtol=2e-6)

    resumed.update(*batches[0])
    state = resumed.state_dict()
    json.dumps(state["sums"])
    resumed.reset()
    resumed.load_state_dict(state)
    resumed.update(*batches[1])
    other.update(*batches[2])
    resumed.merge(other)
    np.testing.assert_allclose(resumed.compute(), expected, rtol=2e-6)
    assert np.array_equal(resumed.compute(), metric.compute())

    metric.reset()
    with pytest.raises(EmptyEpochError, match="nothing that counts"):
        metric.compute()
    metric.update(*batches[0])
    np.testing.assert_allclose(
        metric.compute(), oracle(*(np.split(a, [20])[0] for a in arrays)), rtol=2e-6
    )


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "make", "arrays", "oracle"), TABLE, ids=NAMES)
def test_a_captured_update_counts_like_any(
    name: str, make: Any, arrays: Any, oracle: Oracle
) -> None:
    eager, captured = make(), make()

    @gpu.capture
    def step(output: Tensor, target: Tensor) -> Tensor:
        captured.update(output, target)
        return output.sum()

    for batch in parts(arrays, "gpu") * 2:
        eager.update(*batch)
        step(*batch)
    assert np.array_equal(captured.compute(), eager.compute())
    captured.reset()
    for batch in parts(arrays, "gpu"):
        step(*batch)
    np.testing.assert_allclose(captured.compute(), oracle(*arrays), rtol=2e-6)


@pytest.mark.gpu
def test_a_trainer_measures_in_its_captured_step() -> None:
    from rumus.optim import SGD

    model = nn.Linear(C, C).to("gpu")
    trainer, metric = Trainer(SGD(model.parameters(), lr=0.0), capture=True), Accuracy()

    def forward(x: Tensor, y: Tensor) -> Tensor:
        output = model(x)
        metric.update(output, y)
        return nn.cross_entropy_loss(output, y)

    for batch in parts(CLASSES, "gpu") * 3:
        trainer.train_step(forward, *batch)
    predicted = model(tensor.tensor(LOGITS, device="gpu")).numpy().argmax(1)
    assert metric.compute() == (predicted == IDS).mean()


def test_several_metrics_are_read_in_one_transfer(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics: list[Metric[Any]] = [Accuracy(), F1(C), Perplexity()]
    for batch in parts(CLASSES, device):
        for metric in metrics:
            metric.update(*batch)
    one_by_one = {metric.name: metric.compute() for metric in metrics}
    reads = []
    numpy = Tensor.numpy
    monkeypatch.setattr(Tensor, "numpy", lambda x: reads.append(x.shape) or numpy(x))
    assert read_metrics(metrics) == one_by_one
    assert len(reads) == (device == "gpu")


@pytest.mark.gpu
def test_an_update_reads_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, numbers = parts(CLASSES, "gpu")[0], parts(NUMBERS, "gpu")[0]
    reads: list[object] = []
    read = GpuDevice.read
    monkeypatch.setattr(GpuDevice, "read", lambda *a: reads.append(a) or read(*a))
    for _, make, arrays, _ in TABLE:
        if arrays is CLASSES or arrays is NUMBERS:
            metric = make()
            metric.update(*(batch if arrays is CLASSES else numbers))
            assert reads == []
            metric.compute()
            assert len(reads) == 1
            reads.clear()


def test_counts_do_not_overflow(device: str) -> None:
    class Many(Metric[int]):
        def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
            return {"count": output}

        def result(self, totals: Any) -> int:
            return int(totals["count"][1])

    many = Many()
    for _ in range(9):
        many.update(tensor.tensor([1, 2**30 - 1], device=device), None)
    assert many.compute() == 9 * (2**30 - 1)


def test_sums_are_exact(device: str) -> None:
    loss = MeanLoss()
    for value in (1e20, 1.0, -1e20, 2.0**-140):
        loss.add(tensor.tensor(value, device=device), 1)
    sums = loss.state_dict()["sums"]["loss"]
    assert sums == [f"{2**140 + 1}/{2**140}", "0.0"]
    loss.add(tensor.tensor(math.inf, device=device), 1)
    assert loss.compute() == math.inf


def test_a_loss_weighs_samples(device: str) -> None:
    loss = MeanLoss()
    loss.add(tensor.tensor(1.0, device=device), 3)
    loss.add(tensor.tensor(5.0, device=device), 1)
    assert loss.compute() == 2.0


def test_what_is_ignored_does_not_count(device: str) -> None:
    ids = IDS.copy()
    ids[::3] = -100
    kept = ids != -100
    batch = tensor.tensor(LOGITS, device=device), tensor.tensor(ids, device=device)
    rows: list[tuple[Metric[Any], Oracle]] = [
        (Accuracy(ignore_index=-100), lambda x, t: (x.argmax(1) == t).mean()),
        (TopK(2, ignore_index=-100), top(2)),
        (F1(C, average=None, ignore_index=-100), f1s),
        (MeanIoU(C, ignore_index=-100), iou),
        (Perplexity(), perplexity),
    ]
    for metric, oracle in rows:
        metric.update(*batch)
        np.testing.assert_allclose(metric.compute(), oracle(LOGITS[kept], IDS[kept]), rtol=2e-6)


def test_the_class_axis_may_be_any(device: str) -> None:
    x = RNG.normal(size=(3, 7, C)).astype(np.float32)
    ids = RNG.integers(0, C, (3, 7)).astype(np.int32)
    metrics = Accuracy(axis=-1), TopK(2, axis=-1), Perplexity(axis=-1)
    oracles = (lambda a, t: (a.argmax(1) == t).mean()), top(2), perplexity
    for metric, oracle in zip(metrics, oracles, strict=True):
        metric.update(tensor.tensor(x, device=device), tensor.tensor(ids, device=device))
        expected = oracle(x.reshape(-1, C), ids.reshape(-1))
        np.testing.assert_allclose(metric.compute(), expected, rtol=2e-6)


def test_a_large_mean_costs_no_digits(device: str) -> None:
    target = (1e6 + RNG.normal(size=4000)).astype(np.float32)
    output = (target + RNG.normal(size=4000) / 4).astype(np.float32)
    metric = R2()
    for part in range(0, 4000, 500):
        batch = (tensor.tensor(a[part : part + 500], device=device) for a in (output, target))
        metric.update(*batch)
    np.testing.assert_allclose(metric.compute(), r2(output, target), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1.0, 1e15])
def test_r2_is_exact_where_products_leave_float32(scale: float, device: str) -> None:
    """The totals of one number of a batch each, which are that number's products."""
    target = np.array([-3.0, 5.25, 7.125], np.float32) * np.float32(scale)
    metric = R2()
    for y in target:
        numbers = tensor.tensor([float(y)], device=device)
        metric.update(numbers, numbers)
    sums = metric.state_dict()["sums"]
    exact = [Fraction(float(y)) for y in target]
    assert Fraction(sums["shift"][0]) == sum(exact)
    assert Fraction(sums["shift_square"][0]) == sum(y * y for y in exact)
    assert metric.compute() == 1.0
    metric.update(tensor.tensor([math.inf], device=device), tensor.tensor([1.0], device=device))
    assert math.isnan(metric.compute())


def test_multiples_and_products_are_exact_where_numbers_are_subnormal(device: str) -> None:
    class Moments(Metric[float]):
        def measure(self, output: Tensor, target: Tensor) -> dict[str, Multiple | Product]:
            return {"sum": Multiple(output, 3), "products": Product(output, target, 5)}

    a, b = (np.array(x, np.float32) for x in ([-3e-42, 1e-45, 7e-39], [2e-44, 3e38, -1.0]))
    moments = Moments()
    for x, y in zip(a, b, strict=True):
        moments.update(tensor.tensor(x, device=device), tensor.tensor(y, device=device))
    sums = moments.state_dict()["sums"]
    exact = [(Fraction(float(x)), Fraction(float(y))) for x, y in zip(a, b, strict=True)]
    assert Fraction(sums["sum"][0]) == 3 * sum(x for x, _ in exact)
    assert Fraction(sums["products"][0]) == 5 * sum(x * y for x, y in exact)


def test_a_mean_of_half_precision_losses_is_not_rounded(device: str) -> None:
    loss = MeanLoss()
    for value, samples in ((60000.0, 7), (0.1, 3)):
        loss.add(tensor.tensor(np.float16(value), device=device), samples)
    assert loss.compute() == (7 * 60000.0 + 3 * float(np.float16(0.1))) / 10


def auc(scores: Any, labels: Any) -> float:
    positive, negative = scores[labels == 1][:, None], scores[labels == 0][None]
    return float(((positive > negative) + 0.5 * (positive == negative)).mean())


def average_precision(scores: Any, labels: Any) -> float:
    found, before = 0.0, 0.0
    for threshold in np.unique(scores)[::-1]:
        chosen = scores >= threshold
        recall = (labels[chosen] == 1).sum() / (labels == 1).sum()
        found += (recall - before) * (labels[chosen] == 1).mean()
        before = recall
    return found


@pytest.mark.parametrize(("make", "oracle"), [(ROCAUC, auc), (AveragePrecision, average_precision)])
def test_areas_are_within_their_bounds(make: Any, oracle: Oracle, device: str) -> None:
    fine, coarse = make(), make(bins=8)
    for batch in parts((SCORES, BINARY), device):
        fine.update(*batch)
        coarse.update(*batch)
    expected = oracle(SCORES, BINARY)
    assert fine.compute() == pytest.approx(expected, abs=5e-3)
    for metric in fine, coarse:
        low, high = metric.bounds()
        found = sorted([expected, metric.compute()])
        assert low - 1e-12 <= found[0] and found[1] <= high + 1e-12
    low, high = coarse.bounds()
    assert high - low < 0.3
    np.testing.assert_allclose(coarse.compute(), oracle(np.floor(SCORES * 8), BINARY))


def test_mistakes_are_named(device: str) -> None:
    x, ids = tensor.tensor(LOGITS, device=device), tensor.tensor(IDS, device=device)
    with pytest.raises(ShapeError, match=r"accuracy: output of shape \(61, 5\)"):
        Accuracy().update(x, ids[:3])
    with pytest.raises(ShapeError, match="one shape"):
        MAE().update(x, ids)
    with pytest.raises(ArgumentError, match="average"):
        Precision(3, average="binary")
    with pytest.raises(ArgumentError, match="merges with its kind"):
        Accuracy().merge(MAE())  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="called 'mae'"):
        read_metrics([MAE(), MAE()])

    class Wrong(Metric[float]):
        def measure(self, output: Any, target: Any) -> Any:
            return {"x": output > 0}

    with pytest.raises(DTypeError, match="'x' is bool"):
        Wrong().update(x, ids)
    for metric in (ConfusionMatrix(3), F1(3)):
        message = rf"{metric.name} was made for 3 classes, .*scores of 5 .*give classes=5"
        with pytest.raises(ShapeError, match=message):
            metric.update(x, ids)  # type: ignore[attr-defined]
    with pytest.raises(ShapeError, match=r"scores of 5 classes .*among the best 6; .*smaller k"):
        TopK(6).update(x, ids)
    message = "confusion_matrix: a class id" if x.device.kind == "cpu" else "out of range"
    with pytest.raises(IndexRangeError, match=message):
        matrix = ConfusionMatrix(3)
        matrix.update(ids, ids)
        matrix.compute()


def test_a_confusion_matrix_has_a_picture(tmp_path: Any) -> None:
    pytest.importorskip("matplotlib")
    matrix = ConfusionMatrix(C)
    matrix.update(*parts(CLASSES, "cpu")[0])
    figure = matrix.plot(labels=list("abcde"))
    with pytest.raises(ArgumentError, match="savefig"):
        matrix.plot("a.png")
    figure.savefig(tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert [text.get_text() for text in figure.axes[0].texts] == [
        str(count) for count in matrix.compute().flat
    ]


@pytest.mark.parametrize("metric", [Accuracy(), TopK(1), F1(classes=2), ConfusionMatrix(2)])
def test_scores_of_a_single_class_are_refused(metric: Metric[Any]) -> None:
    with pytest.raises(ShapeError, match="scores of one class"):
        metric.update(tensor.rand(4, 1), tensor.tensor([0, 1, 1, 0]))


def test_a_measure_without_names_is_named() -> None:
    class Bare(Metric[float]):
        def measure(self, output: Tensor, target: Tensor) -> Any:
            return (output - target).abs().sum()

    with pytest.raises(ArgumentError, match=r"tensors by name, .* not Tensor"):
        Bare().update(tensor.ones(3), tensor.zeros(3))
