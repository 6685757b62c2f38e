"""Checkpoints: whole or invisible, and what is found, kept and refused."""

import importlib.util
import json
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rumus import nn, tensor
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import SGD, AdamW, WeightAverage
from rumus.optim.lr_scheduler import CosineAnnealingLR
from rumus.tensor import StateDictError
from rumus.train import (
    CheckpointError,
    Every,
    KeepBest,
    KeepEvery,
    KeepLast,
    Progress,
    Run,
    RunFolder,
    RunFolderError,
    Saved,
    Trainer,
    load_checkpoint,
)
from rumus.train._checkpoint import folder, saver
from rumus.train._checkpoint.split import join_state, split_state

X = np.random.default_rng(3).normal(size=(22, 5)).astype(np.float32)
Y = X[:, :1] * 2


def make() -> nn.Module:
    tensor.manual_seed(5)
    return nn.Linear(5, 1)


def loader(seed: int = 1) -> DataLoader:
    return DataLoader(ArrayDataset(X, Y), 4, shuffle=True, seed=seed)


def fit(model: nn.Module, run: RunFolder, lr: float = 0.1, data: object = None, **options) -> Run:
    trainer = Trainer(AdamW(model.named_parameters(), lr, weight_decay=0.01))
    return trainer.fit(model, data or loader(), nn.mse_loss, **{"epochs": 2, **options}, run=run)


def test_a_state_is_split_into_arrays_and_json_and_joined_again() -> None:
    state = {
        "a/b": [np.arange(3), {"~": np.zeros((0, 2))}],
        "n": np.float32(1.5),
        "t": tensor.ones(2),
        "none": None,
    }
    arrays, rest = split_state(state)
    joined = join_state(arrays, json.loads(json.dumps(rest)))
    assert list(arrays) == ["a~1b/0", "a~1b/1/~0", "t"]
    np.testing.assert_array_equal(joined["a/b"][0], np.arange(3))
    assert joined["a/b"][1]["~"].shape == (0, 2)
    assert (joined["n"], joined["none"]) == (1.5, None)


@pytest.mark.parametrize("bad", [{"a": object()}, {3: 1}, {"a": {"$array": "x"}}])
def test_what_no_file_can_hold_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(CheckpointError):
        split_state(bad)


@pytest.mark.parametrize("dtype", ["f4", "f2", "i4", "u1", "?", "f8", "i8", "u4", "u8"])
@pytest.mark.parametrize("shape", [(), (3, 2), (0, 4)])
def test_arrays_of_every_dtype_come_back(tmp_path: Path, dtype: str, shape: tuple) -> None:
    array = np.ones(shape, dtype)
    arrays, rest = split_state({"x": array, "y": np.zeros(5, np.float32)})
    path = folder.write(tmp_path, Progress(step=4), {}, arrays, rest)
    state = folder.read(path)
    assert state["x"].dtype == array.dtype
    np.testing.assert_array_equal(state["x"], array)


def test_the_weights_in_a_checkpoint_are_a_plain_weights_file(tmp_path: Path) -> None:
    model = make()
    fit(model, RunFolder(tmp_path))
    (path,) = tmp_path.glob("step-00000012")
    other = make()
    other.load_state_dict(nn.load_file(path / "model.safetensors"))
    np.testing.assert_array_equal(other.parameters()[0].numpy(), model.parameters()[0].numpy())
    state = load_checkpoint(tmp_path)
    np.testing.assert_array_equal(state["model"]["weight"].numpy(), other.parameters()[0].numpy())
    assert state["progress"] == {"step": 12, "epoch": 2, "batch": 0, "samples": 44}


def test_the_manifest_lists_files_and_parts_of_arrays(tmp_path: Path) -> None:
    fit(make(), RunFolder(tmp_path))
    manifest = json.loads((tmp_path / "step-00000012" / "manifest.json").read_text())
    entry = manifest["arrays"]["model/weight"]
    assert (entry["dtype"], entry["shape"]) == ("float32", [1, 5])
    ((file, offset, length),) = entry["parts"]
    assert (file, length) == ("model.safetensors", 20)
    assert offset + length <= manifest["files"][file]["size"]


def steps_in(path: Path) -> list[int]:
    return sorted(int(p.name.split("-")[1]) for p in path.glob("step-*"))


@pytest.mark.parametrize(
    ("keep", "steps"),
    [
        (KeepLast(1), [12]),
        (KeepLast(3), [8, 10, 12]),
        (KeepLast(1) + KeepEvery(4), [4, 8, 12]),
    ],
)
def test_a_policy_says_what_stays(tmp_path: Path, keep: KeepLast, steps: list[int]) -> None:
    fit(make(), RunFolder(tmp_path, every=Every(steps=2), keep=keep))
    assert steps_in(tmp_path) == steps


def test_the_best_by_a_metric_stay_and_the_newest_whatever_it_is() -> None:
    values = [3.0, 1.0, float("nan"), 1.0, 2.0, 5.0]
    saved = [Saved(f"s{k}", Progress(step=k), {"val_loss": v}) for k, v in enumerate(values)]
    assert [s.name for s in KeepBest("val_loss", 2)(saved)] == ["s1", "s3", "s5"]
    assert [s.name for s in KeepBest("val_loss", 1, "max")(saved)] == ["s5"]
    with pytest.warns(RuntimeWarning, match="'other'.* keeps nothing: .* have val_loss"):
        assert [s.name for s in KeepBest("other")(saved)] == ["s5"]
    before = [Saved("early", Progress(step=1), {"loss": 1.0})]  # before the first validation
    assert KeepBest("val_loss")(before) == before


@pytest.mark.parametrize(
    ("metric", "best"),
    [
        ("val_loss", "low"),
        ("mae", "low"),
        ("val_perplexity", "low"),
        ("val_accuracy", "high"),
        ("accuracy", "high"),
        ("val_top5", "high"),
        ("val_mean_iou", "high"),
        ("val_r2", "high"),
        ("val_of_my_own", "low"),
    ],
)
def test_the_best_is_the_highest_of_metrics_of_which_more_is_better(metric: str, best: str) -> None:
    saved = [
        Saved("low", Progress(step=1), {metric: 0.25}),
        Saved("high", Progress(step=2), {metric: 0.75}),
        Saved("newest", Progress(step=3), {metric: 0.5}),
    ]
    assert [s.name for s in KeepBest(metric)(saved)] == [best, "newest"]


def test_the_best_checkpoint_of_a_run_is_read(tmp_path: Path) -> None:
    class Values:
        def on_epoch_end(self, run: Run) -> None:
            run.metrics["val_accuracy"] = [0.5, 0.75, 0.625][run.progress.epoch]

    keep = KeepLast(1) + KeepBest("val_accuracy")
    fit(make(), RunFolder(tmp_path, Every(epochs=1), keep), epochs=3, callbacks=[Values()])
    assert load_checkpoint(tmp_path, best="val_accuracy")["progress"]["epoch"] == 2
    assert load_checkpoint(tmp_path)["progress"]["epoch"] == 3
    assert load_checkpoint(tmp_path, best="val_accuracy", mode="min")["progress"]["epoch"] == 3
    with pytest.raises(CheckpointError, match=r"no checkpoint .* 'val_loss'; 2 .* val_accuracy"):
        load_checkpoint(tmp_path, best="val_loss")


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "manifest"])
def test_of_damaged_checkpoints_the_newest_whole_one_is_found(tmp_path: Path, damage: str) -> None:
    fit(make(), RunFolder(tmp_path, every=Every(steps=4)))
    newest = tmp_path / "step-00000012"
    file = newest / "model.safetensors"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    elif damage == "flip":
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    elif damage == "gone":
        file.unlink()
    else:
        (newest / "manifest.json").write_text("{")
    if damage == "flip":
        with pytest.warns(RuntimeWarning, match="the one before it"):
            state = load_checkpoint(tmp_path)
    else:
        state = load_checkpoint(tmp_path)
    assert state["progress"]["step"] == 8
    with pytest.raises(CheckpointError):
        load_checkpoint(newest) if damage != "manifest" else folder.read(newest)


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    fit(make(), RunFolder(tmp_path))
    path = tmp_path / "step-00000012" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(CheckpointError, match="newer"):
        load_checkpoint(tmp_path)


def test_what_a_killed_save_left_is_cleaned_up(tmp_path: Path) -> None:
    left = tmp_path / ".step-00000007.tmp"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    fit(make(), RunFolder(tmp_path))
    assert not left.exists()


def test_a_folder_with_a_run_is_refused_without_resume(tmp_path: Path) -> None:
    fit(make(), RunFolder(tmp_path))
    with pytest.raises(RunFolderError, match="resume=True"):
        fit(make(), RunFolder(tmp_path))


def test_resume_without_a_checkpoint_begins_and_with_a_complete_run_does_nothing(
    tmp_path: Path,
) -> None:
    first = make()
    fit(first, RunFolder(tmp_path, resume=True))
    second = make()
    run = fit(second, RunFolder(tmp_path, resume=True))
    assert run.progress.step == 12
    np.testing.assert_array_equal(first.parameters()[0].numpy(), second.parameters()[0].numpy())
    assert steps_in(tmp_path) == [6, 12]


def settings(model: nn.Module, where: RunFolder, **changed: object) -> Run:
    """A run with settings of every kind."""
    options = {"lr": 0.1, "betas": (0.9, 0.99), "t_max": 5, "decay": 0.9, "batch": 4, "seed": 1}
    options |= {"loss": nn.mse_loss, "schedule": True, "clip": None, "accumulate": 1, **changed}
    optimizer = AdamW(model.named_parameters(), options["lr"], betas=options["betas"])
    schedule = CosineAnnealingLR(options["lr"], options["t_max"]) if options["schedule"] else None
    return Trainer(optimizer).fit(
        model,
        DataLoader(ArrayDataset(X, Y), options["batch"], shuffle=True, seed=options["seed"]),
        options["loss"],
        epochs=2,
        schedule=schedule,
        clip=options["clip"],
        accumulate=options["accumulate"],
        average=WeightAverage(model.parameters(), options["decay"]),
        run=where,
    )


def dropping(p: float) -> nn.Module:
    tensor.manual_seed(5)
    return nn.Sequential(nn.Linear(5, 1), nn.Dropout(p))


@pytest.mark.parametrize(
    ("begun", "changed", "words"),
    [
        ({}, {"clip": 1.0}, r"clip was None and is 1\.0"),
        ({}, {"accumulate": 2}, "accumulate was 1 and is 2"),
        ({}, {"decay": 0.5}, r"average was 0\.9 and is 0\.5"),
        ({}, {"loss": nn.functional.l1_loss}, "loss was 'mse_loss' and is 'l1_loss'"),
        ({}, {"betas": (0.8, 0.99)}, r"optimizer\.0\.betas was \[0\.9, 0\.99\] and is \[0\.8, 0"),
        ({}, {"t_max": 6}, "optimizer.schedule was .*t_max=5.* and is .*t_max=6"),
        ({"schedule": False}, {"lr": 0.2}, r"optimizer\.lr was 0\.1 and is 0\.2"),
        ({}, {"model": 0.25}, r"model\.1 was 'Dropout\(p=0\.5\)' and is 'Dropout\(p=0\.25\)'"),
        ({}, {"batch": 3}, "batch_size"),
        ({}, {"seed": 2}, "seed"),
    ],
)
def test_changed_settings_are_named(
    tmp_path: Path, begun: dict[str, object], changed: dict[str, object], words: str
) -> None:
    settings(dropping(0.5), RunFolder(tmp_path), **begun)
    again = RunFolder(tmp_path, resume=True)
    settings(dropping(0.5), again, **begun)
    model = dropping(changed.pop("model", 0.5))
    with pytest.raises(ValueError, match=words):
        settings(model, again, **begun, **changed)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"data": loader(seed=2)}, Exception),
        ({"model": nn.Sequential(nn.Linear(5, 2), nn.Linear(2, 1))}, Exception),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    tmp_path: Path, changed: dict[str, object], error: type[Exception]
) -> None:
    fit(make(), RunFolder(tmp_path))
    model = changed.pop("model", None) or make()
    with pytest.raises((ValueError, StateDictError)):
        fit(model, RunFolder(tmp_path, resume=True), **changed)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    class Again:
        def on_step_end(self, run: Run) -> None:
            with pytest.raises(RunFolderError, match=f"process {os.getpid()}"):
                fit(make(), RunFolder(tmp_path, resume=True))
            run.stop("seen")

    fit(make(), RunFolder(tmp_path), callbacks=[Again()])


def test_on_windows_a_folder_is_locked_beyond_what_others_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[tuple[int, int]] = []

    def locking(number: int, mode: int, nbytes: int) -> None:
        place = os.lseek(number, 0, os.SEEK_CUR)
        if (place, nbytes) in locked:
            raise PermissionError(13, "Permission denied")
        locked.append((place, nbytes))

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    spec = importlib.util.find_spec("rumus.train._checkpoint.lock")
    windows = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        spec.loader.exec_module(windows)
    held = windows.FolderLock(tmp_path)
    assert locked == [(1 << 20, 1)]
    with pytest.raises(RunFolderError, match=f"in use by another run, of process {os.getpid()}"):
        windows.FolderLock(tmp_path)
    held.release()


def test_saving_goes_on_beside_the_training_and_a_second_save_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, most = [], []
    write = folder.write

    def slow(*arguments: object) -> Path:
        writing.append(threading.current_thread().name)
        most.append(1)
        time.sleep(0.05)
        result = write(*arguments)
        most.pop()
        assert not most
        return result

    monkeypatch.setattr(folder, "write", slow)
    fit(make(), RunFolder(tmp_path, every=Every(steps=3)))
    assert writing == ["rumus-checkpoint"] * 4
    assert steps_in(tmp_path) == [9, 12]


def test_a_snapshot_is_that_of_its_step_however_late_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at: dict[int, np.ndarray] = {}
    write = folder.write
    monkeypatch.setattr(folder, "write", lambda *a: (time.sleep(0.02), write(*a))[1])
    model = make()

    class Note:
        def on_checkpoint(self, run: Run) -> None:
            at[run.progress.step] = model.parameters()[0].numpy().copy()

    fit(model, RunFolder(tmp_path, every=Every(steps=5), keep=KeepLast(9)), callbacks=[Note()])
    for step, weight in at.items():
        state = load_checkpoint(tmp_path / f"step-{step:08}")
        np.testing.assert_array_equal(state["model"]["weight"].numpy(), weight)


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_full_disk_ends_the_run_or_is_said_and_the_last_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    write = folder.write_arrays

    def full(path: Path, arrays: object) -> object:
        if "00000008" in str(path):
            raise OSError(28, "No space left on device")
        return write(path, arrays)

    monkeypatch.setattr(folder, "write_arrays", full)
    model = make()
    where = RunFolder(tmp_path, every=Every(steps=4), keep=KeepLast(9), on_error=on_error)
    if on_error == "raise":
        with pytest.raises(OSError, match="No space"):
            fit(model, where)
        assert steps_in(tmp_path) == [4]
    else:
        with pytest.warns(RuntimeWarning, match="No space"):
            fit(model, where)
        assert steps_in(tmp_path) == [4, 12]
    assert not list(tmp_path.glob(".step*"))


def test_an_exception_in_a_callback_comes_out_and_the_checkpoint_is_written(
    tmp_path: Path,
) -> None:
    class Fails:
        def on_step_end(self, run: Run) -> None:
            if run.progress.step == 5:
                raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        fit(make(), RunFolder(tmp_path), callbacks=[Fails()])
    assert load_checkpoint(tmp_path)["progress"]["step"] == 5


def test_an_exception_within_a_step_is_not_saved(tmp_path: Path) -> None:
    model = make()
    calls = []

    def loss(output: tensor.Tensor, target: tensor.Tensor) -> tensor.Tensor:
        calls.append(1)
        if len(calls) == 8:
            raise LookupError("mine")
        return nn.mse_loss(output, target)

    with pytest.raises(LookupError, match="mine"):
        Trainer(SGD(model.parameters(), 0.1)).fit(
            model, loader(), loss, epochs=2, run=RunFolder(tmp_path)
        )
    assert load_checkpoint(tmp_path)["progress"]["step"] == 6


def test_a_run_says_what_it_was_made_with(tmp_path: Path) -> None:
    fit(make(), RunFolder(tmp_path))
    about = json.loads((tmp_path / "run.json").read_text())
    assert about["settings"]["optimizer"] == "AdamW"
    assert about["environment"]["device"] == "cpu"
    assert "rumus-train" in about["environment"]["packages"]


def test_without_memory_for_a_snapshot_saves_wait_and_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    where = {name: RunFolder(tmp_path / name, Every(steps=3)) for name in ("beside", "waiting")}
    fit(make().to(device), where["beside"])

    def full(arrays: object) -> object:
        raise MemoryError

    monkeypatch.setattr(saver, "host_copies", full)
    threads: list[str] = []
    write = folder.write
    monkeypatch.setattr(
        folder, "write", lambda *a: (threads.append(threading.current_thread().name), write(*a))[1]
    )
    with pytest.warns(RuntimeWarning, match="while the training waits") as said:
        fit(make().to(device), where["waiting"])
    assert [w.filename for w in said] == [__file__]
    assert set(threads) == {"MainThread"}
    for name in ("step-00000009", "step-00000012"):
        for file in ("model.safetensors", "state.safetensors", "state.json"):
            found = [(tmp_path / run / name / file).read_bytes() for run in where]
            assert found[0] == found[1], (name, file)
