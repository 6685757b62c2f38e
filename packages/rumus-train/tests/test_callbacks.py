"""The callbacks that are ready to use."""

import io
import math
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rumus import nn, tensor
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import SGD
from rumus.tensor import ArgumentError, Tensor
from rumus.train import (
    EarlyStopping,
    Event,
    Every,
    GradientNorms,
    LearningRateMonitor,
    Log,
    NonFiniteError,
    OnEvent,
    ProgressBar,
    Run,
    RunFolder,
    StopOnNonFinite,
    TimeLimit,
    Timing,
    Trainer,
    Validate,
    WeightNorms,
    load_checkpoint,
)
from rumus.train._callbacks import screen

X = np.random.default_rng(3).normal(size=(24, 5)).astype(np.float32)
Y = X[:, :1] * 2


def fit(
    *callbacks: object,
    device: str = "cpu",
    capture: bool = False,
    data: tuple[np.ndarray, np.ndarray] = (X, Y),
    **options: object,
) -> Run:
    tensor.manual_seed(5)
    model = nn.Linear(5, 1).to(device)
    batches = DataLoader(ArrayDataset(*data), 4, device=device)
    given = {"epochs": 2, "loss": nn.mse_loss} | options
    trainer = Trainer(SGD(model.parameters(), 0.05), capture=capture)
    return trainer.fit(model, batches, given.pop("loss"), callbacks=callbacks, **given)


class Values:
    """Gives a run the values of a validation, one an epoch."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def on_validation_end(self, run: Run) -> None:
        run.metrics["val_loss"] = self.values[run.progress.epoch]


@pytest.mark.parametrize(
    ("values", "options", "epochs"),
    [
        # The epochs after which Keras (wait >= patience) and Lightning (the same count) stop.
        ([3, 2, 2.5, 1, 1], {"patience": 0}, 3),
        ([3, 2, 2.5, 1, 1], {"patience": 1}, 3),
        ([3, 2, 2.5, 1, 1, 1], {"patience": 2}, 6),
        ([3, 2, 1.95, 1.9, 1.0, 1.0], {"patience": 2, "threshold": 0.1}, 4),
        ([3, math.nan, math.nan, 1, 1, 1], {"patience": 2}, 3),
        ([1, 2, 3, 3, 3, 4], {"patience": 1, "mode": "max"}, 4),
        ([5, 4, 3, 2, 1, 0], {"patience": 1}, 6),
    ],
)
def test_early_stopping_stops_when_patience_is_over(
    values: list[float], options: dict[str, object], epochs: int
) -> None:
    batches = DataLoader(ArrayDataset(X, Y), 8)
    stopping = EarlyStopping(**options)
    run = fit(Values(values), stopping, epochs=6, validate=batches)
    assert run.progress.epoch == epochs
    assert (run.stopped is None) == (not stopping.stopped)


def test_early_stopping_knows_that_more_accuracy_is_better() -> None:
    class Rising:
        def on_validation_end(self, run: Run) -> None:
            run.metrics["val_accuracy"] = 0.1 * run.progress.epoch

    options = {"epochs": 4, "validate": DataLoader(ArrayDataset(X, Y), 8)}
    stopping = EarlyStopping("val_accuracy", patience=1)
    assert fit(Rising(), stopping, **options).progress.epoch == 4
    assert stopping.best == pytest.approx(0.3)
    assert (
        fit(Rising(), EarlyStopping("val_accuracy", 1, mode="min"), **options).progress.epoch == 2
    )


def test_early_stopping_gives_the_best_weights_back_also_when_resumed(tmp_path: Path) -> None:
    batches = DataLoader(ArrayDataset(X, Y), 8)
    values = [3.0, 1.0, 2.0, 2.0, 2.0]
    best: list[np.ndarray] = []

    class Note:
        def on_validation_end(self, run: Run) -> None:
            if run.progress.epoch == 1:
                best.append(run.model.parameters()[0].numpy().copy())

    options = {"validate": batches, "run": RunFolder(tmp_path, resume=True)}
    fit(Values(values), EarlyStopping(patience=2, restore_best=True), Note(), epochs=3, **options)
    run = fit(Values(values), EarlyStopping(patience=2, restore_best=True), epochs=5, **options)
    assert run.progress.epoch == 4
    np.testing.assert_array_equal(run.model.parameters()[0].numpy(), best[0])
    again = fit(Values(values), EarlyStopping(patience=2, restore_best=True), epochs=5, **options)
    assert again.progress.epoch == 4
    assert again.stopped is not None


def test_early_stopping_without_its_metric_says_what_there_is() -> None:
    with pytest.raises(ArgumentError, match="val_loss"):
        fit(EarlyStopping())


def test_a_time_limit_stops_the_run() -> None:
    run = fit(TimeLimit(seconds=1e-9), epochs=100)
    assert run.progress.step == 1
    assert "time limit" in str(run.stopped)


def logarithm(output: Tensor, target: Tensor) -> Tensor:
    return (output * 0.0 + target).log().mean()  # of 24 samples one is negative


def root(output: Tensor, target: Tensor) -> Tensor:
    return (output * target).abs().sqrt().mean()  # of 24 samples one is 0


def line_of(function: Callable[..., object]) -> str:
    return f"{Path(__file__).name}, line {function.__code__.co_firstlineno + 1}"


CAPTURES = [
    ("cpu", False),
    pytest.param("gpu", False, marks=pytest.mark.gpu),
    pytest.param("gpu", True, marks=pytest.mark.gpu),
]


@pytest.mark.parametrize(("device", "capture"), CAPTURES)
@pytest.mark.parametrize(("every", "accumulate", "step"), [(1, 1, 11), (50, 1, 11), (50, 2, 6)])
def test_a_loss_that_is_not_finite_ends_the_run_with_its_step_and_operation(
    device: str, capture: bool, every: int, accumulate: int, step: int
) -> None:
    target = np.ones((24, 1), np.float32)
    target[17] = -1.0  # in the fifth batch of an epoch
    stop = StopOnNonFinite(Every(steps=every))

    def step_function(run: Run, batch: object) -> Mapping[str, Tensor]:
        value = logarithm(run.model(batch.input), batch.target)
        run.minimize(value)
        return {"loss": value}

    second = np.concatenate([np.ones_like(target), target])
    options = {"device": device, "capture": capture, "accumulate": accumulate, "epochs": 1}
    options |= {"data": (np.concatenate([X, X]), second), "loss": None, "step": step_function}
    with pytest.raises(NonFiniteError) as failed:
        fit(stop, **options)
    said = str(failed.value)
    assert said.startswith(f"loss was nan in step {step}: log gave 1 NaN among 4 elements")
    assert line_of(logarithm) in said


@pytest.mark.parametrize(("device", "capture"), CAPTURES)
def test_a_gradient_that_is_not_finite_is_found_in_the_step_before(
    device: str, capture: bool, tmp_path: Path
) -> None:
    target = np.ones((24, 1), np.float32)
    target[9] = 0.0  # in the third batch
    options = {"data": (X, target), "loss": root, "run": RunFolder(tmp_path, Every(steps=2))}
    with pytest.raises(NonFiniteError) as failed:
        fit(StopOnNonFinite(), device=device, capture=capture, **options)
    said = str(failed.value)
    assert said.startswith("loss was nan in step 4: sqrt gave input 0 a gradient with 1 infinite")
    assert line_of(root) in said
    weights = load_checkpoint(tmp_path)["model"]["weight"].numpy()
    assert np.isfinite(weights).all()


def test_what_a_rerun_does_not_show_is_said(device: str) -> None:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        calls.append(1)
        return nn.mse_loss(output, target) * (math.nan if len(calls) == 4 else 1.0)

    calls: list[int] = []
    with pytest.raises(NonFiniteError, match="step 4: run again, no operation"):
        fit(StopOnNonFinite(), device=device, loss=loss)
    calls.clear()
    with pytest.raises(NonFiniteError, match="step 4: lower the learning rate"):
        fit(StopOnNonFinite(rerun=False), device=device, loss=loss)


def test_a_range_of_steps_is_named_where_an_output_does_not_come_in_each() -> None:
    def step(run: Run, batch: object) -> Mapping[str, Tensor]:
        loss = nn.mse_loss(run.model(batch.input), batch.target)
        run.minimize(loss)
        now = run.progress.step
        return {"loss": loss, "other": loss * math.nan} if now == 3 else {"loss": loss}

    with pytest.raises(NonFiniteError, match=r"other was nan in one of the steps 4 to 6"):
        fit(StopOnNonFinite(Every(steps=3)), loss=None, step=step)


class Rows:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.rows.append({"step": step, **values})

    def resume(self, step: int) -> None:
        self.rows = [row for row in self.rows if row["step"] <= step]

    def flush(self) -> None: ...


def test_a_log_has_the_means_between_two_rows(device: str) -> None:
    losses: list[float] = []
    rows, other = Rows(), Rows()
    fit(
        OnEvent(Event.STEP_END, lambda run: losses.append(run.loss.item())),
        LearningRateMonitor(),
        Log(rows, other, every=Every(steps=3)),
        device=device,
        validate=Validate(DataLoader(ArrayDataset(X, Y), 6, device=device)),
    )
    steps = [row for row in rows.rows if "loss" in row]
    assert [row["step"] for row in steps] == [3, 6, 9, 12]
    assert [row["samples"] for row in steps] == [12, 24, 36, 48]
    expected = [float(np.mean(losses[k : k + 3])) for k in range(0, 12, 3)]
    np.testing.assert_allclose([row["loss"] for row in steps], expected, rtol=1e-6)
    assert [row.get("lr") for row in steps] == [0.05, None, None, None]
    assert [row["step"] for row in rows.rows if "val_loss" in row] == [6, 12]
    assert [row["step"] for row in rows.rows if "epoch_loss" in row] == [6, 12]
    assert rows.rows == other.rows


@pytest.mark.parametrize("event", ["step_end", "validation_end", "epoch_end"])
def test_a_resumed_log_has_each_row_once(tmp_path: Path, event: str) -> None:
    batches = DataLoader(ArrayDataset(X, Y), 6)

    def fail(run: Run) -> None:
        if run.progress.step == 6:
            raise LookupError

    def log(rows: Rows, *others: object, **options: object) -> list[dict[str, float]]:
        fit(Log(rows, every=Every(steps=2)), *others, validate=batches, **options)
        return rows.rows

    whole = log(Rows())
    where, cut = RunFolder(tmp_path, resume=True), Rows()
    with pytest.raises(LookupError):
        log(cut, OnEvent(Event(event), fail), run=where)
    cut.log(8, {"loss": 1.0})
    assert log(cut, run=where) == whole


def test_what_takes_no_values_is_no_sink() -> None:
    with pytest.raises(ArgumentError, match="log"):
        Log("runs/log.csv")


@pytest.mark.gpu
def test_there_is_one_read_back_for_each_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[int] = []
    to_host = Tensor.numpy

    def counted(self: Tensor) -> np.ndarray:
        if self.device.kind == "gpu":
            reads.append(1)
        return to_host(self)

    monkeypatch.setattr(Tensor, "numpy", counted)
    every = Every(steps=4)
    fit(
        ProgressBar(every, io.StringIO()),
        Log(Rows(), every=every),
        Log(Rows(), every=every),
        StopOnNonFinite(every, rerun=False),
        LearningRateMonitor(),
        device="gpu",
        epochs=2,
    )
    # 12 steps: after 4, 8, 12, and at the ends of epochs, 6 and 12
    assert len(reads) == 4


def test_progress_is_plain_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    out = io.StringIO()
    fit(ProgressBar(Every(steps=3), out), validate=DataLoader(ArrayDataset(X, Y), 8))
    lines = out.getvalue().splitlines()
    assert len(lines) == 6
    assert "\x1b" not in out.getvalue()
    assert lines[0].startswith("epoch 1/2  batch 3/6  loss ")
    assert "lr 0.05" in lines[0]
    assert "samples/s" in lines[0]
    assert "left" in lines[0]
    assert "val_loss" in lines[2]


def test_progress_is_a_line_for_each_epoch_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    out = io.StringIO()
    fit(ProgressBar(Every(steps=1), out))
    assert len(out.getvalue().splitlines()) == 2


@pytest.mark.parametrize("rich", [True, False])
def test_progress_in_a_terminal_is_drawn_over(monkeypatch: pytest.MonkeyPatch, rich: bool) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    if rich:
        pytest.importorskip("rich")
    else:
        monkeypatch.setattr("rumus.train._callbacks.screen.find_spec", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    fit(ProgressBar(Every(steps=1), out))
    assert "\x1b[" in out.getvalue()
    assert "epoch 2/2" in out.getvalue()


def on_a_screen(written: str, columns: int = 80) -> list[str]:
    """The rows that a terminal shows of what was written to it."""
    rows, row, column = [""], 0, 0
    for control, character in re.findall(r"(\x1b\[\??\d*[A-Za-z])|(.|\n)", written):
        if character == "\r":
            column = 0
        elif character == "\n":
            row, column = row + 1, 0
        elif control.endswith("A"):
            row -= int(control[2:-1] or 1)
        elif control.endswith("J"):
            rows[row:] = [rows[row][:column]]
        elif control.endswith("K"):
            rows[row] = "" if control == "\x1b[2K" else rows[row][:column]
        elif character:
            if column == columns:
                row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
            rows[row] = rows[row][:column].ljust(column) + character + rows[row][column + 1 :]
            column += 1
        rows += [""] * (row + 1 - len(rows))
    return rows


@pytest.mark.parametrize("rich", [True, False])
def test_lines_longer_than_the_terminal_is_wide_are_drawn_over_too(
    monkeypatch: pytest.MonkeyPatch, rich: bool
) -> None:
    if rich:
        pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    out = io.StringIO()
    out.isatty = lambda: True
    shown = screen.RichTerminal(out) if rich else screen.Terminal(out)
    for length in (170, 80, 81, 20):
        shown.draw("drawn " + "x" * (length - 6))
    shown.keep("kept " + "y" * 90)
    at_once = "".join(on_a_screen(out.getvalue()))
    assert at_once.count("kept") == 1
    assert "drawn" not in at_once
    shown.draw("drawn again")
    assert "".join(on_a_screen(out.getvalue())).count("drawn") == 1
    shown.close()


class FakeNotebook:
    """What IPython offers in a kernel: an output that can be shown anew."""

    kernel = object()

    def __init__(self) -> None:
        self.outputs: list[str] = []
        self.updates = 0

    def display(self, shown: Mapping[str, str], raw: bool, display_id: bool) -> "FakeNotebook":
        self.outputs.append(shown["text/plain"])
        return self

    def update(self, shown: Mapping[str, str], raw: bool) -> None:
        self.outputs[-1] = shown["text/plain"]
        self.updates += 1


def test_progress_in_a_notebook_is_one_output_that_is_shown_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = FakeNotebook()
    ipython = SimpleNamespace(get_ipython=lambda: notebook)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=notebook.display))
    monkeypatch.delenv("CI", raising=False)
    fit(ProgressBar(Every(steps=1)))
    assert len(notebook.outputs) == 1
    assert notebook.updates == 14  # 12 steps and 2 epochs without the first, and the end
    first, second = notebook.outputs[0].splitlines()
    assert first.startswith("epoch 1/2  batch 6/6  loss")
    assert second.startswith("epoch 2/2  batch 6/6  loss")
    assert capsys.readouterr().err == ""


def test_times_and_memory_are_metrics(device: str) -> None:
    log = Log(Rows(), every=Every(steps=1))
    run = fit(Timing(Every(steps=2)), log, device=device)
    told = run.metrics
    assert 0 < told["time_data"] < told["time_step"]
    assert 0 < told["time_read"] < told["time_step"] - told["time_data"]
    assert told["samples_per_second"] > 0
    assert ("memory" in told) == (device == "gpu")
    assert told.get("memory", 0) <= told.get("memory_peak", 0)


def test_norms_of_weights_are_metrics(device: str) -> None:
    run = fit(WeightNorms(Every(steps=12)), device=device)
    weight = run.model.parameters()[0].numpy().astype(np.float64)
    assert run.metrics["norm_weight"] == pytest.approx(np.linalg.norm(weight), rel=1e-6)


@pytest.mark.parametrize(("device", "capture"), CAPTURES)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_norms_of_gradients_are_those_of_the_step_at_the_trigger(
    device: str, capture: bool, accumulate: int
) -> None:
    weights: list[list[np.ndarray]] = []

    def note(run: Run) -> None:
        weights.append([p.numpy().astype(np.float64) for p in run.model.parameters()])

    rows, every = Rows(), Every(steps=3)
    fit(
        OnEvent(Event.STEP_START, note),
        GradientNorms(every),
        Log(rows, every=every),
        device=device,
        capture=capture,
        epochs=3,
        accumulate=accumulate,
        clip=0.1,
    )
    size = 4 * accumulate
    steps = [row for row in rows.rows if "grad_norm" in row]
    assert [row["step"] for row in steps] == [3, 6, 9, 12, 15, 18][: 6 // accumulate]
    for row in steps:
        w, b = weights[int(row["step"]) - 1]
        start = size * (int(row["step"]) - 1) % 24
        x, y = X[start : start + size].astype(np.float64), Y[start : start + size]
        residual = 2 * (x @ w.T + b - y) / size
        expected = np.linalg.norm(residual.T @ x), np.linalg.norm(residual.sum())
        assert row["grad_norm_weight"] == pytest.approx(expected[0], rel=1e-5)
        assert row["grad_norm_bias"] == pytest.approx(expected[1], rel=1e-5)
        assert row["grad_norm"] == pytest.approx(np.hypot(*expected), rel=1e-5)


def test_norms_of_gradients_are_refused_with_shards() -> None:
    model = nn.Linear(5, 1)
    trainer = Trainer(SGD(model.parameters(), 0.05), shards=2)
    batches = DataLoader(ArrayDataset(X, Y), 4)
    with pytest.raises(ArgumentError, match="whole only after the fold"):
        trainer.fit(model, batches, nn.mse_loss, epochs=1, callbacks=[GradientNorms()])


def test_a_loss_that_is_not_finite_names_its_step_with_shards_too() -> None:
    model = nn.Linear(5, 1)
    trainer = Trainer(SGD(model.parameters(), 0.05), shards=2)
    batches = DataLoader(ArrayDataset(X, np.where(np.arange(24)[:, None] == 9, np.nan, Y)), 4)
    options = {"epochs": 1, "callbacks": [StopOnNonFinite(Every(steps=2))]}
    with pytest.raises(NonFiniteError, match=r"step.* 3 to 4|step 3"):
        trainer.fit(model, batches, nn.mse_loss, **options)


def test_a_terminal_shows_brackets_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    pytest.importorskip("rich")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    stop = OnEvent(Event.STEP_END, lambda run: run.stop("val[top1] is no [/number]"))
    fit(stop, ProgressBar(Every(steps=1), out))
    assert "stopped: val[top1] is no [/number]" in out.getvalue()


def test_a_log_of_a_second_run_knows_nothing_of_the_first() -> None:
    rows = Rows()
    log = Log(rows, every=Every(steps=1))
    for _ in range(2):
        rows.rows.clear()
        fit(LearningRateMonitor(), log, epochs=1)
        assert rows.rows[0]["lr"] == 0.05
