"""A run that is interrupted anywhere, and goes on, ends with the bits of one that was not."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import wraps
from pathlib import Path

import numpy as np
import pytest

from rumus import nn, tensor
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import AdamW, WeightAverage
from rumus.optim.lr_scheduler import LambdaLR, WarmupCosine
from rumus.tensor import Tensor
from rumus.train import Every, KeepLast, Run, RunFolder, Trainer, Validate, load_checkpoint

RNG = np.random.default_rng(11)
X = RNG.normal(size=(23, 6)).astype(np.float32)
Y = RNG.normal(size=(23, 1)).astype(np.float32)


class StoppedError(Exception):
    """What stands for the end of a process within one."""


class Tail:
    """A metric of its own, with a state."""

    name = "tail"

    def __init__(self) -> None:
        self.values: list[float] = []

    def update(self, output: Tensor, target: Tensor) -> None:
        self.values.append(float(output.numpy().sum()))

    def compute(self) -> float:
        return float(np.sum(self.values))

    def reset(self) -> None:
        self.values = []

    def state_dict(self) -> dict[str, object]:
        return {"values": list(self.values)}

    def load_state_dict(self, state: dict[str, list[float]]) -> None:
        self.values = list(state["values"])


def train(
    folder: Path | None,
    *callbacks: object,
    device: str = "cpu",
    capture: object = False,
    workers: int = 0,
    accumulate: int = 2,
    resume: bool = True,
    every: Every = Every(steps=1),  # noqa: B008
    epochs: int = 3,
    tail: Tail | None = None,
) -> tuple[str, Run]:
    tensor.manual_seed(9)
    random.seed(4)
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 1)).to(device)
    data = ArrayDataset(X, Y)
    batches = DataLoader(data, 4, shuffle=True, seed=3, num_workers=workers, device=device)
    average = WeightAverage(model.named_parameters(), decay=0.9)
    run = Trainer(AdamW(model.named_parameters(), lr=0.01), capture=capture).fit(
        model,
        batches,
        nn.mse_loss,
        epochs=epochs,
        accumulate=accumulate,
        clip=1.0,
        schedule=WarmupCosine(0.01, 2, 9),
        average=average,
        validate=Validate(DataLoader(data, 5, device=device), Every(steps=2), averaged=True),
        metrics=[tail or Tail()],
        callbacks=callbacks,
        run=None if folder is None else RunFolder(folder, every, KeepLast(2), resume),
    )
    return digest(model, average, run), run


def digest(model: nn.Module, average: WeightAverage, run: Run) -> str:
    parts = [p.numpy().tobytes() for p in model.parameters()]
    parts += [a.tobytes() for a in average.state_dict()["averages"].values()]
    parts.append(json.dumps([run.metrics, run.rates.get(), random.random()]).encode())
    return hashlib.sha256(b"".join(parts)).hexdigest()


class After:
    """Raises after some calls of its event."""

    def __init__(self, event: str, calls: int) -> None:
        self.left = calls
        setattr(self, f"on_{event}", self.count)

    def count(self, run: Run) -> None:
        self.left -= 1
        if self.left == 0:
            raise StoppedError


CASES = [
    ("cpu", False, 0, 2),
    ("cpu", False, 2, 1),
    pytest.param("gpu", False, 1, 2, marks=pytest.mark.gpu),
    pytest.param("gpu", "auto", 0, 1, marks=pytest.mark.gpu),
    pytest.param("gpu", True, 0, 3, marks=pytest.mark.gpu),
]


@pytest.mark.parametrize(("device", "capture", "workers", "accumulate"), CASES)
def test_resumed_at_any_event_a_run_has_the_bits_of_an_undisturbed_one(
    tmp_path: Path, device: str, capture: object, workers: int, accumulate: int
) -> None:
    options = {
        "device": device, "capture": capture, "workers": workers, "accumulate": accumulate,
    }  # fmt: skip
    expected, _ = train(None, **options)
    places = [("step_end", 1), ("step_end", 3), ("validation_start", 2), ("validation_end", 1)]
    places += [("epoch_end", 1), ("epoch_start", 2), ("step_start", 4)]
    for k, (event, calls) in enumerate(places):
        folder = tmp_path / str(k)
        with pytest.raises(StoppedError):
            train(folder, After(event, calls), every=Every(epochs=1), **options)
        with pytest.raises(StoppedError):  # resumed twice, the second time in the same epoch
            train(folder, After("step_end", 1), **options)
        found, _ = train(folder, **options)
        assert found == expected, (event, calls)


class Terminated(Tail):
    """A metric in whose third batch SIGTERM comes."""

    def update(self, output: Tensor, target: Tensor) -> None:
        super().update(output, target)
        if len(self.values) == 3:
            signal.raise_signal(signal.SIGTERM)


def test_a_signal_within_a_validation_is_resumed_there(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        train(tmp_path, tail=Terminated())
    assert left.value.code == 143
    state = load_checkpoint(tmp_path)
    assert state["validation"]["open"]
    assert state["validation"]["batches"] == 3
    assert train(tmp_path)[0] == train(None)[0]


def test_a_signal_within_a_window_is_resumed_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, calls = nn.mse_loss, []

    @wraps(loss)
    def terminated(*given: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGTERM)
        return loss(*given)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(nn, "mse_loss", terminated)
        train(tmp_path, every=Every(epochs=1))
    assert load_checkpoint(tmp_path)["window"] == 1
    assert train(tmp_path)[0] == train(None)[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_was_stopped_or_is_made_longer_goes_on(tmp_path: Path, workers: int) -> None:
    class Stop:
        def on_step_end(self, run: Run) -> None:
            if run.progress.step == 4:
                run.stop("enough")

    options = {"workers": workers, "every": Every(epochs=1)}
    expected = train(None, workers=workers)[0]
    assert train(tmp_path / "a", Stop(), **options)[1].progress.step == 4
    assert train(tmp_path / "a", **options)[0] == expected
    assert train(tmp_path / "b", epochs=2, **options)[1].progress.epoch == 2
    assert train(tmp_path / "b", **options)[0] == expected


class Stream:
    """Samples that are dicts, and come one after the other."""

    def iterate(self, part: int, parts: int, position: object = None) -> Iterator[dict]:
        for k in range(part, len(X), parts):
            yield {"x": X[k], "y": Y[k], "name": str(k)}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_of_dicts_is_resumed_within_an_epoch(tmp_path: Path, workers: int) -> None:
    def fit(folder: Path | None, *callbacks: object) -> list[bytes]:
        tensor.manual_seed(2)
        model = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.2), nn.Linear(4, 1))

        def step(run: Run, batch: dict[str, Tensor]) -> dict[str, Tensor]:
            loss = nn.mse_loss(model(batch["x"]), batch["y"])
            run.minimize(loss)
            return {"loss": loss}

        Trainer(AdamW(model.named_parameters(), 0.01)).fit(
            model,
            DataLoader(Stream(), 4, num_workers=workers),
            step=step,
            epochs=2,
            callbacks=callbacks,
            run=None if folder is None else RunFolder(folder, resume=True),
        )
        return [p.numpy().tobytes() for p in model.parameters()]

    expected = fit(None)
    for at in (2, 6, 9):
        folder = tmp_path / str(at)
        with pytest.raises(StoppedError):
            fit(folder, After("step_end", at))
        assert fit(folder) == expected


def test_ctrl_c_saves_and_raises_keyboard_interrupt(tmp_path: Path) -> None:
    class Press:
        def on_step_end(self, run: Run) -> None:
            if run.progress.step == 2:
                signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=r"at step 2, which is saved: .* resume=True"):
        train(tmp_path, Press(), every=Every(epochs=1))
    with pytest.raises(KeyboardInterrupt, match=r"at step 2; .* nothing was saved"):
        train(None, Press())
    assert signal.getsignal(signal.SIGINT) is before
    assert load_checkpoint(tmp_path)["progress"]["step"] == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has it, and other signals cannot stand for it")
def test_ctrl_break_of_windows_saves_as_ctrl_c_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Press:
        def on_step_end(self, run: Run) -> None:
            if run.progress.step == 2:
                signal.raise_signal(signal.SIGUSR1)

    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, Press(), every=Every(epochs=1))
    assert signal.getsignal(signal.SIGUSR1) is before
    assert load_checkpoint(tmp_path)["progress"]["step"] == 2
    assert train(tmp_path)[0] == train(None)[0]


def test_a_signal_in_the_last_moment_is_not_lost(tmp_path: Path) -> None:
    class Press:
        def on_fit_end(self, run: Run) -> None:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit):
        train(tmp_path, Press(), every=Every(epochs=1))
    assert load_checkpoint(tmp_path)["progress"]["epoch"] == 3


def test_off_the_main_thread_it_says_once_that_signals_are_not_caught() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool, pytest.warns(RuntimeWarning, match="main thread") as said:
        pool.submit(train, None).result()
    assert [w.filename for w in said] == [__file__]


PROGRAM = """
import sys, time
from functools import wraps
from pathlib import Path
sys.path.insert(0, {here!r})
from test_resume import train

class Slow:
    def on_step_start(self, run):
        time.sleep(0.01)
    def on_checkpoint(self, run):
        time.sleep(0.002)

print("ready", flush=True)
print(train(Path(sys.argv[1]), Slow(), **{options!r})[0], flush=True)
"""


def start(folder: Path, options: dict[str, object]) -> subprocess.Popen:
    program = PROGRAM.format(here=str(Path(__file__).parent), options=options)
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )


def killed_at_random(
    folder: Path, rng: random.Random, options: dict[str, object], kills: int
) -> tuple[str, list[int]]:
    codes = []
    for _ in range(kills):
        process = start(folder, options)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.0, 0.25))
        number = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        process.send_signal(number)
        process.communicate()
        codes.append(process.returncode)
    process = start(folder, options)
    out, _ = process.communicate()
    assert process.returncode == 0
    return out.split()[-1], codes


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send to another process")
def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    program = """
import signal, sys, time
sys.path.insert(0, %r)
from test_resume import train

class Stuck:
    def on_step_end(self, run):
        signal.raise_signal(signal.SIGINT)
        print("stuck", flush=True)
        time.sleep(60)

train(None, Stuck())
"""
    here = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", program % here], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send to another process")
def test_processes_killed_at_random_end_with_the_same_bits(tmp_path: Path) -> None:
    expected, _ = train(None)
    for k in range(1):
        found, codes = killed_at_random(tmp_path / str(k), random.Random(k), {}, kills=2)
        assert found == expected, codes


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send to another process")
@pytest.mark.parametrize(("device", "capture", "workers", "accumulate"), CASES)
def test_many_processes_killed_at_random_end_with_the_same_bits(
    tmp_path: Path, device: str, capture: object, workers: int, accumulate: int
) -> None:
    options = {
        "device": device, "capture": capture, "workers": workers, "accumulate": accumulate,
    }  # fmt: skip
    expected, _ = train(None, **options)
    for k in range(8):
        rng = random.Random(100 + k)
        found, codes = killed_at_random(tmp_path / str(k), rng, options, rng.randint(1, 3))
        assert found == expected, codes


def test_a_schedule_of_an_object_of_ones_own_and_a_norm_of_numpy_go_on(tmp_path: Path) -> None:
    class Half:
        def __call__(self, step: int) -> float:
            return 0.5

    batches = DataLoader(ArrayDataset(np.ones((8, 2)), np.ones((8, 1))), 4)
    first, second = Half(), Half()  # as in two processes, whose objects lie in other places
    for epochs, factor in ((1, first), (2, second)):
        model = nn.Linear(2, 1)
        run = Trainer(AdamW(model.parameters(), 0.1)).fit(
            model,
            batches,
            nn.mse_loss,
            epochs=epochs,
            schedule=LambdaLR(0.1, factor),
            clip=np.float32(1.0),  # type: ignore[arg-type]
            run=RunFolder(tmp_path, resume=True),
        )
    assert run.progress.epoch == 2
