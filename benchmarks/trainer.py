"""What the trainer costs: a step through it, ``fit`` with its bar and log, a checkpoint beside it.

    python benchmarks/trainer.py [step|fit|checkpoint ...] [--device gpu] [--smoke] [--json PATH]

- ``step``: ``Trainer.train_step`` against the same step written out by hand, of a model so small
  that it is nearly all Python (8-8-2, batch 4, AdamW).
- ``fit``: an epoch of ``fit`` with a progress bar and a CSV file against an epoch of the loop
  written by hand (loader, forward, backward, AdamW, a sum of the losses), of an MLP of about 1 ms a
  step; on a GPU also captured. In turn, medians of epochs.
- ``checkpoint``: 124 million parameters with AdamW's moments, 1.5 GB, saved while training goes on:
  its speed against that of a plain synced write of as many bytes to the same folder, the steps a
  second meanwhile, the pause for the snapshot, and what memory there is beyond it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rumus import gpu, nn, tensor
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import AdamW
from rumus.tensor import Tensor, manual_seed
from rumus.train import CsvLogger, Every, KeepLast, Log, ProgressBar, Run, Trainer
from rumus.train._checkpoint.saver import Saver
from rumus.train._state import run_state

BLOCK = 4 << 20


def wait(device: str) -> None:
    """Wait until the device has done its work."""
    if device == "gpu":
        gpu.synchronize()


def quartiles(seconds: list[float]) -> list[float]:
    """Microseconds."""
    return [1e6 * q for q in statistics.quantiles(seconds, n=4)]


# A step


def measure_step(device: str, smoke: bool) -> dict[str, Any]:
    """``train_step`` against the same written out."""
    rng = np.random.default_rng(0)
    x = tensor.tensor(rng.normal(size=(4, 8)).astype(np.float32), device=device)
    y = tensor.tensor([0, 1, 1, 0], device=device)
    hand, hand_total = _by_hand(device, x, y)
    ours, ours_total = _with_trainer(device, x, y)
    seconds: dict[str, list[float]] = {"by hand": [], "train_step": []}
    for _ in range(4 if smoke else 40):
        seconds["by hand"].append(_block(hand, device))
        seconds["train_step"].append(_block(ours, device))
    np.testing.assert_allclose(ours_total(), hand_total(), rtol=1e-5)  # one is a float32 sum
    result: dict[str, Any] = {name: quartiles(s) for name, s in seconds.items()}
    for name, (low, middle, high) in result.items():
        print(f"{name:14}{middle:8.1f} µs a step ({low:.1f} to {high:.1f})")
    return result


def _small(device: str) -> tuple[nn.Sequential, AdamW]:
    manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)).to(device)
    return model, AdamW(model.parameters(), lr=1e-3)


def _by_hand(device: str, x: Tensor, y: Tensor) -> tuple[Callable[[], None], Callable[[], float]]:
    model, optimizer = _small(device)
    total = tensor.zeros((), device=device)

    def step() -> None:
        loss = nn.cross_entropy_loss(model(x), y)
        optimizer.step(loss.backward())
        total.add_(loss.detach())

    return step, total.item


def _with_trainer(
    device: str, x: Tensor, y: Tensor
) -> tuple[Callable[[], None], Callable[[], float]]:
    model, optimizer = _small(device)
    trainer = Trainer(optimizer)
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        trainer.train_step(lambda x, y: nn.cross_entropy_loss(model(x), y), x, y)

    return step, lambda: trainer.epoch_avg_loss() * count


def _block(step: Callable[[], None], device: str) -> float:
    start = time.perf_counter()
    for _ in range(100):
        step()
    wait(device)
    return (time.perf_counter() - start) / 100


# An epoch


def measure_fit(device: str, smoke: bool) -> dict[str, Any]:
    """``fit`` against the loop written by hand."""
    result: dict[str, Any] = {}
    for hidden in (64,) if smoke else (64, 512) if device == "cpu" else (512, 6144):
        for capture in (False,) if device == "cpu" else (False, True):
            runs = {
                "by hand": lambda h=hidden, c=capture: _epochs_by_hand(device, h, c, smoke),
                "fit": lambda h=hidden, c=capture: _epochs_of_fit(device, h, c, smoke, False),
                "bar and log": lambda h=hidden, c=capture: _epochs_of_fit(
                    device, h, c, smoke, True
                ),
            }
            seconds: dict[str, list[float]] = {name: [] for name in runs}
            for _ in range(2 if smoke else 6):
                for name, run in runs.items():
                    seconds[name] += run()
            middle = {name: 1e6 * statistics.median(s) for name, s in seconds.items()}
            case = f"{device}{' captured' if capture else ''} 64-{hidden}-{hidden}-1"
            result[case] = middle
            extra = middle["bar and log"] - middle["by hand"]
            share = extra / middle["by hand"]
            print(
                f"{case:28}by hand {middle['by hand']:7.1f} µs a step, fit {middle['fit']:7.1f}, "
                f"with bar and log {middle['bar and log']:7.1f}: {extra:+.1f} µs, {share:+.1%}"
            )
    return result


def _mlp(device: str, hidden: int, smoke: bool) -> tuple[nn.Module, DataLoader, AdamW, int]:  # type: ignore[type-arg]
    steps = 20 if smoke else 300
    rng = np.random.default_rng(0)
    x = rng.normal(size=(steps * 64, 64)).astype(np.float32)
    manual_seed(0)
    layers = [nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(hidden, 1)).to(device)
    loader = DataLoader(ArrayDataset(x, x[:, :1].copy()), 64, device=device)
    return model, loader, AdamW(model.named_parameters(), 1e-3), steps


def _epochs_by_hand(device: str, hidden: int, capture: bool, smoke: bool) -> list[float]:
    model, loader, optimizer, steps = _mlp(device, hidden, smoke)
    total = tensor.zeros((), device=device)
    if capture:
        gpu.persist(total.array)

    def step(x: Tensor, y: Tensor) -> None:
        loss = nn.mse_loss(model(x), y)
        optimizer.step(loss.backward())
        total.add_(loss.detach())

    run: Callable[[Tensor, Tensor], None] = gpu.capture(step) if capture else step
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for batch in loader:
            run(batch.input, batch.target)
        total.item()
        seconds.append((time.perf_counter() - start) / steps)
    return seconds[1:]


class _Clock:
    """Seconds a step of each epoch."""

    def __init__(self, steps: int) -> None:
        self.steps, self.seconds = steps, list[float]()

    def on_epoch_start(self, run: Run) -> None:
        """It begins."""
        self.start = time.perf_counter()

    def on_epoch_end(self, run: Run) -> None:
        """It is over when its loss is there."""
        run.read()
        self.seconds.append((time.perf_counter() - self.start) / self.steps)


def _epochs_of_fit(
    device: str, hidden: int, capture: bool, smoke: bool, shown: bool
) -> list[float]:
    model, loader, optimizer, steps = _mlp(device, hidden, smoke)
    clock = _Clock(steps)
    with tempfile.TemporaryDirectory() as name:
        csv = CsvLogger(Path(name) / "log.csv")
        log = [ProgressBar(file=io.StringIO()), Log(csv, every=Every(steps=50))] if shown else []
        trainer = Trainer(optimizer, capture=capture)
        trainer.fit(model, loader, nn.mse_loss, epochs=3, callbacks=[*log, clock])
        csv.close()
    return clock.seconds[1:]


# A checkpoint


def measure_checkpoint(device: str, smoke: bool) -> dict[str, Any]:
    """Two saves of 1.5 GB beside training."""
    width, layers = (256, 4) if smoke else (3216, 12)
    manual_seed(0)
    parts = [part for _ in range(layers) for part in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*parts).to(device)
    batch = (tensor.rand((64, width), device=device), tensor.rand((64, width), device=device))
    nbytes = 3 * 4 * sum(p.size for p in model.parameters())
    found = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("OUT")) as name:
        plain = statistics.median(_plain_write(Path(name) / "plain", nbytes) for _ in range(3))
        trainer = Trainer(AdamW(model.named_parameters(), 1e-4), capture=device == "gpu")
        for _ in range(2):
            save = _Save(Path(name), 0.5 if smoke else 2.0)
            trainer.fit(model, [batch] * 100_000, nn.mse_loss, epochs=1, callbacks=[save])
            found.append(
                {
                    "bytes": nbytes,
                    "plain synced write, GB/s": nbytes / plain / 1e9,
                    "checkpoint, GB/s": nbytes / save.written / 1e9,
                    "ratio": plain / save.written,
                    "steps a second": 1 / save.alone,
                    "steps a second while it is written": 1 / save.beside,
                    "loss": 1 - save.alone / save.beside,
                    "pause for the snapshot, s": save.paused,
                    "memory beyond the snapshot, MiB": (save.most - nbytes) / (1 << 20),
                }
            )
    for label in found[0]:
        print(f"{label:40}" + "".join(f"{save[label]:15.3f}" for save in found))
    return {"first": found[0], "second": found[1]}


def _plain_write(path: Path, nbytes: int) -> float:
    block = np.random.default_rng(0).bytes(BLOCK)
    start = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(nbytes // BLOCK):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    path.unlink()
    return seconds


class _Save:
    """Times steps alone, then a save and the steps beside it.

    Args:
        root: Where it is saved.
        seconds: How long the steps alone take.
    """

    def __init__(self, root: Path, seconds: float) -> None:
        self._saver, self._budget = Saver(root, KeepLast(9)), seconds
        self.alone = self.beside = self.written = self.paused = 0.0
        self.most = 0
        self._is_over = threading.Event()
        self._begun = False

    def on_step_end(self, run: Run) -> None:
        """Steps alone, then a save, then steps until it is written."""
        if run.progress.step == 20:
            self._begin(run)
        elif self._begun and not self.alone:
            if time.perf_counter() - self._start > self._budget:
                self.alone = self._seconds_a_step(run)
                self._save(run)
        elif self._is_over.is_set():
            self.beside = self._seconds_a_step(run)
            run.stop("measured")

    def _begin(self, run: Run) -> None:
        run.read()
        self._start, self._first, self._begun = time.perf_counter(), run.progress.step, True

    def _seconds_a_step(self, run: Run) -> float:
        run.read()
        return (time.perf_counter() - self._start) / (run.progress.step - self._first)

    def _save(self, run: Run) -> None:
        threading.Thread(target=self._watch, args=(_resident(),), daemon=True).start()
        begun = time.perf_counter()
        self._saver.save(run_state(run), run.progress, {})
        threading.Thread(target=self._wait, args=(time.perf_counter(),), daemon=True).start()
        self.paused = time.perf_counter() - begun
        self._begin(run)

    def _wait(self, begun: float) -> None:
        self._saver.wait()
        self.written = time.perf_counter() - begun
        self._is_over.set()

    def _watch(self, before: int) -> None:
        while not self._is_over.wait(0.005):
            self.most = max(self.most, _resident() - before)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


MEASURES = {"step": measure_step, "fit": measure_fit, "checkpoint": measure_checkpoint}


def main() -> None:
    """Measure, print and write the numbers."""
    parser = argparse.ArgumentParser(description="Measure what the trainer costs.")
    parser.add_argument("what", nargs="*", choices=[*MEASURES, []], help="default: all")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--smoke", action="store_true", help="few repetitions, to try the script")
    parser.add_argument("--json", type=Path, default=Path("runs/bench/trainer.json"))
    options = parser.parse_args()
    result = {
        name: MEASURES[name](options.device, options.smoke) for name in options.what or MEASURES
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"device": options.device, **result}, indent=2))
    print(options.json)


if __name__ == "__main__":
    main()
