"""Runs of several ranks: checkpoints that any number goes on from, evaluation, stops."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rumus.train
from rumus import nn, optim, tensor
from rumus.data import ArrayDataset, DataItem, DataLoader, StreamDataset
from rumus.optim.lr_scheduler import WarmupCosine
from rumus.train import (
    F1,
    MAE,
    MSE,
    R2,
    RMSE,
    ROCAUC,
    Accuracy,
    Alone,
    AveragePrecision,
    Callback,
    ConfusionMatrix,
    CsvLogger,
    Every,
    Group,
    GroupError,
    JsonLinesLogger,
    KeepLast,
    LearningRateMonitor,
    Log,
    MeanIoU,
    MeanLoss,
    Metric,
    Perplexity,
    Precision,
    ProgressBar,
    Recall,
    Run,
    RunFolder,
    RunFolderError,
    TensorBoardLogger,
    Timing,
    TopK,
    Trainer,
    Validate,
    WeightNorms,
    load_checkpoint,
)

SHARDS = 8
RNG = np.random.default_rng(6)
X = RNG.normal(size=(53, 6)).astype(np.float32)
Y = RNG.normal(size=(53, 2)).astype(np.float32)
LABELS = RNG.integers(0, 3, 53)
Ranks = Callable[[int, Callable[[Group], Any]], list[Any]]


def digest(*modules: Any) -> str:
    arrays = [v for module in modules for v in module.state_dict().values()]
    return hashlib.sha256(b"".join(np.asarray(a.numpy()).tobytes() for a in arrays)).hexdigest()


def train(
    group: Group,
    folder: Path | None = None,
    *callbacks: Any,
    epochs: int = 4,
    make: Callable[..., Any] = lambda p: optim.AdamW(p, 0.01),
    shards: int | None = SHARDS,
    every: Every = Every(epochs=1),  # noqa: B008
    resume: bool = True,
    clip: float | None = 1.0,
    kept: list[Trainer[Any]] | None = None,
) -> tuple[str, Run]:
    tensor.manual_seed(8)
    net = nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.2), nn.GELU(), nn.Linear(16, 2))
    optimizer = make(net.named_parameters())
    average = optim.WeightAverage(net.named_parameters(), decay=0.9)
    data = DataLoader(ArrayDataset(X, Y), 16, shuffle=True, seed=1)
    trainer = Trainer(optimizer, group=group, shards=shards)
    if kept is not None:
        kept.append(trainer)
    run = trainer.fit(
        net,
        data,
        nn.mse_loss,
        epochs=epochs,
        clip=clip,
        accumulate=2,
        average=average,
        schedule=WarmupCosine(0.01, 2, 9),
        validate=Validate(DataLoader(ArrayDataset(X, Y), 10), averaged=True),
        metrics=[MAE()],
        callbacks=callbacks,
        run=None if folder is None else RunFolder(folder, every, KeepLast(3), resume),
    )
    averages = average.state_dict()["averages"].values()
    text = digest(net) + hashlib.sha256(b"".join(a.tobytes() for a in averages)).hexdigest()
    return text + json.dumps([run.metrics, run.progress.state_dict()]), run


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.AdamW(p, 0.01),
        lambda p: optim.Adafactor(p, 0.05),
        lambda p: optim.SGD(p, 0.05),
    ],
    ids=["AdamW", "Adafactor", "SGD"],
)
def test_a_run_moves_between_numbers_of_ranks(
    make: Callable[..., Any], ranks: Ranks, tmp_path: Path
) -> None:
    whole = train(Alone(), make=make)[0]
    for end, size in enumerate((4, 1, 3, 8), start=1):

        def go_on(group: Group, end: int = end) -> str:
            return train(group, tmp_path, epochs=end, make=make)[0]

        results = ranks(size, go_on)
        assert len(set(results)) == 1
    assert results[0] == whole
    assert len(load_checkpoint(tmp_path)["optimizers"]["optimizer"]["groups"]) == 1


def test_a_checkpoint_of_several_ranks_is_that_of_one(ranks: Ranks, tmp_path: Path) -> None:
    train(Alone(), tmp_path / "one", epochs=2)
    ranks(3, lambda group: train(group, tmp_path / "three", epochs=2) and None)
    (one, three) = (load_checkpoint(tmp_path / name) for name in ("one", "three"))
    assert text_of(one) == text_of(three)
    newest = max((tmp_path / "three").glob("step-*"))
    files = {path.name for path in newest.iterdir()}
    assert {f"segment-{rank:04}.safetensors" for rank in range(3)} < files


def text_of(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: text_of(value) for key, value in sorted(state.items())}
    if isinstance(state, (list, tuple)):
        return [text_of(value) for value in state]
    return state.tolist() if hasattr(state, "tolist") else state


def test_the_number_of_shards_is_that_of_the_first_start(ranks: Ranks, tmp_path: Path) -> None:
    ranks(4, lambda group: train(group, tmp_path, epochs=1, shards=None) and None)
    settings = json.loads((tmp_path / "run.json").read_text())["settings"]
    assert settings["shards"] == 4
    trainers: list[Trainer[Any]] = []
    results = ranks(
        2, lambda group: train(group, tmp_path, epochs=3, shards=None, kept=trainers)[0]
    )
    assert [trainer.shards for trainer in trainers] == [4, 4]
    assert results[0] == train(Alone(), epochs=3, shards=4)[0]
    with pytest.raises(tensor.ArgumentError, match="5 processes cannot share 4 shards"):
        ranks(5, lambda group: train(group, tmp_path, shards=None))
    with pytest.raises(RunFolderError, match="shards was 4 and is 8"):
        ranks(2, lambda group: train(group, tmp_path, shards=8))


def test_an_evaluation_behind_a_run_that_went_on_cuts_as_the_run(
    ranks: Ranks, tmp_path: Path
) -> None:
    def body(group: Group, epochs: int) -> Any:
        tensor.manual_seed(8)
        net = nn.Linear(6, 2)
        data = DataLoader(ArrayDataset(X, Y), 16)
        trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group)
        folder = RunFolder(tmp_path, resume=True)
        trainer.fit(net, data, nn.mse_loss, epochs=epochs, run=folder)
        return trainer.shards, trainer.evaluate(net, data, nn.mse_loss, [R2()])

    first = ranks(4, lambda group: body(group, 1))
    assert [body(Alone(), 1), *ranks(3, lambda group: body(group, 1))] == first[:1] * 4


class Raised(Exception):  # noqa: N818
    pass


class At(Callback):
    """Does something on one rank after some steps."""

    def __init__(self, step: int, action: Callable[[Run], None]) -> None:
        self.step, self.action = step, action

    def on_step_end(self, run: Run) -> None:
        if run.progress.step == self.step:
            self.action(run)


def test_a_stop_on_one_rank_stops_all_at_the_same_step(ranks: Ranks) -> None:
    def body(group: Group) -> Any:
        own = [At(3, lambda run: run.stop("enough"))] if group.rank == 1 else []
        _, run = train(group, None, *own)
        return run.progress.step, run.stopped

    found = ranks(3, body)
    assert [step for step, _ in found] == [3, 3, 3]
    assert found[1][1] == "enough"
    assert found[0][1] == "another process stopped the run"


def test_a_stop_by_a_callback_of_the_first_rank_comes_at_the_step_of_one(ranks: Ranks) -> None:
    def body(group: Group) -> Any:
        callback = At(3, lambda run: run.stop("enough"))
        callback.first_only = True  # type: ignore[attr-defined]
        text, run = train(group, None, callback)
        return text, run.stopped is not None

    one = body(Alone())
    for size in (2, 3):
        assert ranks(size, body) == [one] * size


def test_what_only_writes_costs_no_exchange_between_steps(ranks: Ranks, tmp_path: Path) -> None:
    def body(group: Group, *callbacks: Any) -> int:
        train(group, None, *callbacks, epochs=1)
        return int(group.count)  # type: ignore[attr-defined]

    def with_writers(group: Group) -> int:
        with JsonLinesLogger(tmp_path / "metrics.jsonl") as file:
            log, bar = Log(file, every=Every(steps=1)), ProgressBar(file=StringIO())
            return body(group, LearningRateMonitor(), Timing(), WeightNorms(), log, bar)

    without, talkative = ranks(2, body), ranks(2, lambda group: body(group, At(0, print)))
    assert ranks(2, with_writers) == without
    assert talkative[0] > without[0]


def test_a_signal_to_one_rank_saves_and_ends_all(ranks: Ranks, tmp_path: Path) -> None:
    def noted(run: Run) -> None:
        run.interrupts.pending = signal.SIGTERM

    def body(group: Group) -> Any:
        own = [At(3, noted)] if group.rank == 2 else []
        with pytest.raises(SystemExit) as ended:
            train(group, tmp_path, *own)
        return ended.value.code

    assert ranks(3, body) == [143, 143, 143]
    assert load_checkpoint(tmp_path)["progress"]["step"] == 3
    results = ranks(2, lambda group: train(group, tmp_path)[0])
    assert results[0] == train(Alone())[0]


def test_triggers_by_time_come_at_the_same_step_on_all_ranks(ranks: Ranks, tmp_path: Path) -> None:
    def body(group: Group) -> Any:
        steps: list[int] = []
        watch = At(0, lambda run: None)
        watch.on_checkpoint = lambda run: steps.append(run.progress.step)  # type: ignore[attr-defined]
        train(group, tmp_path, watch, every=Every(seconds=0.02))
        return steps

    first, *others = ranks(3, body)
    assert len(first) > 1
    assert others == [first, first]


def test_an_exception_on_one_rank_ends_all_and_saves_nothing(ranks: Ranks, tmp_path: Path) -> None:
    def fail(run: Run) -> None:
        raise Raised

    def body(group: Group) -> None:
        train(group, tmp_path, *([At(2, fail)] if group.rank == 1 else []))

    with pytest.raises(Raised):
        ranks(3, body)
    assert not list(tmp_path.glob("step-*"))


def test_only_the_first_rank_logs(ranks: Ranks, tmp_path: Path) -> None:
    class Sink:
        def __init__(self) -> None:
            self.calls = 0

        def log(self, step: int, values: Any) -> None:
            self.calls += 1

        def resume(self, step: int) -> None:
            self.calls += 1

        def flush(self) -> None:
            self.calls += 1

    def body(group: Group) -> int:
        sink = Sink()
        train(group, None, Log(sink, every=Every(steps=1)), epochs=1)
        return sink.calls

    first, *others = ranks(3, body)
    assert first > 0
    assert others == [0, 0]


def test_loggers_of_several_ranks_make_the_files_of_one(ranks: Ranks, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")

    def body(group: Group, folder: Path) -> None:
        sinks = CsvLogger(folder / "m.csv"), TensorBoardLogger(folder / "events")
        train(group, None, Log(*sinks, every=Every(steps=1)), epochs=1)
        for sink in sinks:
            sink.close()

    body(Alone(), tmp_path / "one")
    ranks(3, lambda group: body(group, tmp_path / "three"))
    counts = [
        len([p for p in (tmp_path / name).rglob("*") if p.is_file()]) for name in ("one", "three")
    ]
    assert counts == [2, 2]


def test_a_folder_that_ranks_do_not_share_is_refused(ranks: Ranks, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not the same folder on all ranks: rank 2 cannot"):
        ranks(3, lambda group: train(group, tmp_path / ("b" if group.rank == 2 else "a")))
    with pytest.raises(RunFolderError, match="has checkpoints of a run"):
        train(Alone(), tmp_path / "c", epochs=1)
        ranks(2, lambda group: train(group, tmp_path / "c", resume=False))


def test_a_disk_that_is_full_on_one_rank_is_told_by_all(
    ranks: Ranks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rumus.train._checkpoint import shared

    write = shared.write_arrays

    def full(path: Path, arrays: Any) -> Any:
        if path.name == "segment-0001.safetensors":
            raise OSError(28, "No space left on device")
        return write(path, arrays)

    monkeypatch.setattr(shared, "write_arrays", full)

    def body(group: Group) -> str:
        with pytest.raises(OSError, match=r"rank 1: OSError.*No space") as error:
            train(group, tmp_path)
        return str(error.value)

    assert len(set(ranks(3, body))) == 1
    assert not list(tmp_path.glob("*step-*"))


def evaluated(group: Group, size: int = 10) -> Any:
    tensor.manual_seed(8)
    net = nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.5), nn.Linear(16, 3))
    trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group, shards=SHARDS)
    data = DataLoader(ArrayDataset(X, LABELS), size)
    metrics = [Accuracy(), ConfusionMatrix(3)]
    values = trainer.evaluate(net, data, nn.cross_entropy_loss, metrics)
    return text_of(values), metrics[0].compute()


def test_an_evaluation_of_several_ranks_is_that_of_one(ranks: Ranks) -> None:
    one = evaluated(Alone())
    for size in (2, 3, 8):
        assert ranks(size, evaluated) == [one] * size
    tensor.manual_seed(8)
    net = nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.5), nn.Linear(16, 3))
    right = net.eval()(tensor.tensor(X)).numpy().argmax(1) == LABELS
    assert one[1] == right.mean()
    assert one[0]["accuracy"] == one[1]


BINARY = RNG.integers(0, 2, 53).astype(np.int32)
LOGITS = RNG.normal(size=(53, 3)).astype(np.float32)
OF_CLASSES: list[Callable[[], Metric[Any]]] = [
    Accuracy,
    lambda: TopK(2),
    lambda: Precision(3),
    lambda: Recall(3),
    lambda: F1(3, average=None),
    lambda: ConfusionMatrix(3),
    lambda: MeanIoU(3),
    Perplexity,
    lambda: MeanLoss(nn.cross_entropy_loss, name="mean_loss"),
]
OF_NUMBERS: list[Callable[[], Metric[Any]]] = [MAE, MSE, RMSE, R2]
OF_SCORES: list[Callable[[], Metric[Any]]] = [
    lambda: ROCAUC(bins=64),
    lambda: AveragePrecision(bins=64),
]
KINDS = {
    "classes": (OF_CLASSES, LOGITS, LABELS, nn.cross_entropy_loss),
    "numbers": (OF_NUMBERS, 1000 + X, 1000 + X**2, nn.mse_loss),
    "scores": (OF_SCORES, RNG.random(53).astype(np.float32), BINARY, None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_metric_of_several_ranks_has_the_bits_of_one(
    kind: str, device: str, ranks: Ranks
) -> None:
    makes, outputs, targets, loss = KINDS[kind]

    def body(group: Group) -> Any:
        net = nn.Linear(6, 2).to(device)
        trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group, shards=4)
        metrics = [make() for make in makes]
        values = trainer.evaluate(
            net,
            DataLoader(ArrayDataset(outputs, targets), 10),
            loss,
            metrics,
            forward=lambda batch: (batch.input, batch.target),
        )
        return text_of(values), [repr(text_of(metric.state_dict())) for metric in metrics]

    one = body(Alone())
    for size in (2, 3):
        assert ranks(size, body) == [one] * size


def test_no_metric_is_left_out_above() -> None:
    tried = {type(make()) for makes, *_ in KINDS.values() for make in makes}
    public = {getattr(rumus.train, name) for name in rumus.train.__all__}
    there = {c for c in public if isinstance(c, type) and issubclass(c, Metric)}
    assert tried == there - {Metric}


def test_a_metric_that_cannot_be_merged_is_refused_before_it_starts(ranks: Ranks) -> None:
    class Own:
        name = "own"

        def update(self, output: Any, target: Any) -> None: ...
        def reset(self) -> None: ...
        def compute(self) -> float:
            return 0.0

    def body(group: Group) -> None:
        net = nn.Linear(6, 2)
        trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group)
        trainer.evaluate(net, DataLoader(ArrayDataset(X, Y), 10), nn.mse_loss, [Own()])

    with pytest.raises(tensor.ArgumentError, match=r"own.*has no state_dict"):
        ranks(2, body)


class Uneven:
    """A loader of one's own, of whole batches, whose length and content a test sets."""

    def __init__(self, batches: int, size: int = 12, shift: int = 0) -> None:
        self.batches, self.size, self.shift = batches, size, shift

    def __iter__(self) -> Iterator[Any]:
        for k in range(self.batches):
            rows = slice(k + self.shift, k + self.shift + self.size)
            yield tensor.tensor(X[rows]), tensor.tensor(Y[rows])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("shorter", "batch 4, .*: 12 samples in .* on ranks 0 and 1, none on rank 2"),
        ("smaller", "batch 1, .*: 12 samples in .* on ranks 0 and 1, 11 samples .* on rank 2"),
        ("others", "batch 1, .*checksum .* on ranks 0 and 1, 12 samples .*checksum .* on rank 2"),
    ],
)
@pytest.mark.parametrize("how", ["fit", "evaluate", "train_step"])
def test_whole_batches_that_differ_between_ranks_are_refused(
    kind: str, said: str, how: str, ranks: Ranks
) -> None:
    def body(group: Group) -> None:
        is_last = group.rank == 2
        data = Uneven(
            4 - (is_last and kind == "shorter"),
            12 - (is_last and kind == "smaller"),
            is_last and kind == "others",
        )
        tensor.manual_seed(8)
        net = nn.Linear(6, 2)
        trainer = Trainer(optim.AdamW(net.parameters(), 0.01), group=group)
        if how == "fit":
            trainer.fit(net, data, nn.mse_loss, epochs=2)
        elif how == "evaluate":
            trainer.evaluate(net, data, nn.mse_loss)
        else:
            for x, y in data:
                trainer.train_step(lambda x, y: nn.mse_loss(net(x), y), x, y)

    if how == "train_step":
        said = said.replace("batch 1", "the batch of step 1")
    if (how, kind) == ("train_step", "shorter"):
        said = r"ranks \[2\] have returned"
    with pytest.raises(GroupError, match=said):
        ranks(3, body)


def test_whole_batches_are_compared_in_the_call_that_is_made_anyway(ranks: Ranks) -> None:
    def body(group: Group, batches: int) -> Any:
        tensor.manual_seed(8)
        net = nn.Linear(6, 2)
        trainer = Trainer(optim.AdamW(net.parameters(), 0.01), group=group, shards=2)
        values = trainer.evaluate(net, Uneven(batches), nn.mse_loss)
        return values, getattr(group, "count", 0)

    short, long = (ranks(2, lambda group, n=n: body(group, n)) for n in (4, 9))
    assert [values for values, _ in long] == [body(Alone(), 9)[0]] * 2
    assert long[0][1] - short[0][1] == 5, "one call a batch"


def test_a_folder_on_some_ranks_alone_is_refused(ranks: Ranks, tmp_path: Path) -> None:
    with pytest.raises(GroupError, match="run: a RunFolder on rank 0, None on ranks 1 and 2"):
        ranks(3, lambda group: train(group, None if group.rank else tmp_path))


class Numbers(StreamDataset[DataItem]):
    """A stream whose parts have different lengths."""

    def iterate(self, part: int, parts: int, position: Any = None) -> Iterator[DataItem]:
        for k in range(3 + 5 * part):
            yield DataItem(X[(7 * part + k) % 53], Y[(7 * part + k) % 53])


@pytest.mark.parametrize("slots", [1, 2])
def test_a_stream_of_uneven_parts_lets_nobody_hang_and_goes_on_anywhere(
    slots: int, ranks: Ranks, tmp_path: Path
) -> None:
    def body(group: Group, folder: Path | None = None, steps: int = 9) -> Any:
        tensor.manual_seed(1)
        net = nn.Linear(6, 2)
        run = Trainer(optim.AdamW(net.named_parameters(), 0.01), group=group, shards=4).fit(
            net,
            DataLoader(Numbers(), 8, parts=slots),
            nn.mse_loss,
            steps=steps,
            run=None if folder is None else RunFolder(folder, resume=True),
        )
        return digest(net), run.progress.state_dict()

    one = body(Alone())
    assert ranks(3, body) == [one] * 3
    ranks(3, lambda group: body(group, tmp_path, 5))
    assert ranks(2, lambda group: body(group, tmp_path)) == [one] * 2


def test_a_signal_behind_the_last_step_ends_all(ranks: Ranks, tmp_path: Path) -> None:
    class AtTheEnd(Callback):
        first_only, may_stop = True, False  # processes tell each other nothing between steps

        def on_epoch_end(self, run: Run) -> None:
            if run.progress.epoch == 3:
                run.interrupts.pending = signal.SIGTERM

    def body(group: Group) -> Any:
        with pytest.raises(SystemExit) as ended:
            train(group, tmp_path, AtTheEnd())
        return ended.value.code

    assert ranks(2, body) == [143, 143]
    assert load_checkpoint(tmp_path)["progress"]["epoch"] == 4


def test_one_process_with_shards_saves_what_a_callback_has_left(tmp_path: Path) -> None:
    def fail(run: Run) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        train(Alone(), tmp_path, At(3, fail), every=Every(steps=1000))
    assert load_checkpoint(tmp_path)["progress"]["step"] == 3
    assert train(Alone(), tmp_path)[0] == train(Alone())[0]
