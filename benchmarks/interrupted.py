"""Runs of ``fit`` that are interrupted at random and resumed, against the same run left alone.

    python benchmarks/interrupted.py [--runs 100] [--parallel 2] [--seed 0] [--json PATH]

Each run is a process that is ended up to three times, by SIGKILL, SIGTERM or Ctrl-C, while it
trains, accumulates, validates or saves, and each time another process goes on from its folder. The
device (CPU, GPU, GPU with captured steps), the workers of the loader (0 to 4) and the batches of a
step (1 to 3) are drawn too. Of every run it is checked that

- it ends with the hash of the weights, their average, the metrics and the random streams that an
  undisturbed run of one process has;
- what a process finds is the newest checkpoint in the folder, and that it is whole;
- after SIGTERM and Ctrl-C not a step is lost, and the exit code is the one that is promised; after
  SIGKILL no more than the steps since a checkpoint, and those that were trained while it was saved.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rumus import nn, tensor
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import AdamW, WeightAverage
from rumus.optim.lr_scheduler import WarmupCosine
from rumus.train import Every, Run, RunFolder, Trainer, Validate, load_checkpoint

RNG = np.random.default_rng(11)
X = RNG.normal(size=(46, 6)).astype(np.float32)
Y = RNG.normal(size=(46, 1)).astype(np.float32)
SAVED_EVERY = 2
EPOCHS = 3
DEVICES = {"cpu": ("cpu", False), "gpu": ("gpu", False), "captured": ("gpu", True)}
PLACES = ("training", "accumulation", "validation", "saving")
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
CODES = {"SIGKILL": {-9}, "SIGTERM": {143}, "SIGINT": {-2, 130}}


@dataclass(frozen=True)
class Interrupt:
    """A signal some milliseconds after a place has been reached some times."""

    place: str
    times: int
    delay: float
    signal: str


@dataclass(frozen=True)
class Settings:
    """What a run is."""

    device: str
    workers: int
    accumulate: int


@dataclass
class Outcome:
    """What became of a run."""

    settings: Settings
    interrupts: list[Interrupt] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Marks:
    """Sends this process its signal where that is due."""

    def __init__(self, interrupt: Interrupt | None) -> None:
        self._interrupt = interrupt
        self._left = interrupt.times if interrupt else 0

    def reach(self, place: str) -> None:
        """A place is reached."""
        if self._interrupt is None or place != self._interrupt.place:
            return
        self._left -= 1
        if self._left == 0:
            number = signal.Signals[self._interrupt.signal]
            timer = threading.Timer(self._interrupt.delay, os.kill, (os.getpid(), number))
            timer.daemon = True
            timer.start()

    def on_checkpoint(self, run: Run) -> None:
        """A save begins."""
        self.reach("saving")


class Marked(DataLoader):  # type: ignore[type-arg]
    """A loader whose batches are places."""

    marks: Marks
    places: tuple[str, ...]

    def __iter__(self) -> Iterator[Any]:
        for k, batch in enumerate(super().__iter__()):
            self.marks.reach(self.places[k % len(self.places)])
            yield batch


class Steps:
    """Writes each step down, at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_fit_start(self, run: Run) -> None:
        """Where the run goes on."""
        print(run.progress.step, flush=True)

    def on_step_end(self, run: Run) -> None:
        """A step more."""
        self._path.write_text(str(run.progress.step))


def train(settings: Settings, folder: Path | None, interrupt: Interrupt | None) -> str:
    """One process of a run; returns the hash of all that it ends with."""
    device, capture = DEVICES[settings.device]
    tensor.manual_seed(9)
    random.seed(4)
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 1)).to(device)
    marks, data = Marks(interrupt), ArrayDataset(X, Y)
    batches = Marked(data, 4, shuffle=True, seed=3, num_workers=settings.workers, device=device)
    batches.marks = marks
    batches.places = ("training",) + ("accumulation",) * (settings.accumulate - 1)
    checked = Marked(data, 5, device=device)
    checked.marks, checked.places = marks, ("validation",)
    average = WeightAverage(model.named_parameters(), decay=0.9)
    run = Trainer(AdamW(model.named_parameters(), lr=0.01), capture=capture).fit(
        model,
        batches,
        nn.mse_loss,
        epochs=EPOCHS,
        accumulate=settings.accumulate,
        clip=1.0,
        schedule=WarmupCosine(0.01, 2, 20),
        average=average,
        validate=Validate(checked, Every(steps=3), averaged=True),
        callbacks=[marks] if folder is None else [marks, Steps(folder / "steps.txt")],
        run=None if folder is None else RunFolder(folder, Every(steps=SAVED_EVERY), resume=True),
    )
    parts = [p.numpy().tobytes() for p in model.parameters()]
    parts += [a.tobytes() for a in average.state_dict()["averages"].values()]
    parts.append(json.dumps([run.metrics, run.rates.get(), random.random()]).encode())
    parts.append(tensor.rand((3,), device=device).numpy().tobytes())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def process(
    settings: Settings, folder: Path | None, interrupt: Interrupt | None
) -> tuple[int, list[str], str]:
    """Train in a process of its own: its code, what it printed, and its complaints."""
    given = json.dumps(
        {
            "settings": asdict(settings),
            "folder": None if folder is None else str(folder),
            "interrupt": None if interrupt is None else asdict(interrupt),
        }
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--child", given],
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout.split(), done.stderr


def child(given: str) -> None:
    """What a process of a run does."""
    asked = json.loads(given)
    folder = None if asked["folder"] is None else Path(asked["folder"])
    interrupt = None if asked["interrupt"] is None else Interrupt(**asked["interrupt"])
    print(train(Settings(**asked["settings"]), folder, interrupt), flush=True)


def drawn(settings: Settings, rng: random.Random) -> Interrupt:
    """An interrupt at random."""
    places = PLACES if settings.accumulate > 1 else tuple(p for p in PLACES if p[0] != "a")
    place = rng.choice(places)
    return Interrupt(
        place,
        times=rng.randint(1, 8 if place in ("training", "validation") else 4),
        delay=rng.uniform(0.0, 0.02 if place == "saving" else 0.004),
        signal=rng.choice(SIGNALS),
    )


def newest(folder: Path) -> int | None:
    """The step of the newest checkpoint, which must be whole; None if there is none."""
    if not list(folder.glob("step-*")):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return int(load_checkpoint(folder)["progress"]["step"])


def interrupted(seed: int, expected: dict[tuple[str, int], str]) -> Outcome:
    """One run, to its end."""
    rng = random.Random(seed)
    settings = Settings(rng.choice(list(DEVICES)), rng.randint(0, 4), rng.randint(1, 3))
    outcome = Outcome(settings)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        interrupts: list[Interrupt | None] = [
            drawn(settings, rng) for _ in range(rng.randint(1, 3))
        ]
        begins, last = 0, 0
        for interrupt in [*interrupts, None]:
            code, said, complaints = process(settings, folder, interrupt)
            if said and int(said[0]) != begins:
                outcome.faults.append(f"went on from step {said[0]}, not {begins}")
            if code == 0:
                if said[-1] != expected[DEVICES[settings.device][0], settings.accumulate]:
                    outcome.faults.append(f"ended with {said[-1][:12]}")
                break
            if interrupt is None or code not in CODES[interrupt.signal]:
                outcome.faults.append(f"exit code {code}: {complaints[-300:]}")
                break
            outcome.interrupts.append(interrupt)
            steps = folder / "steps.txt"
            last = max(last, int(steps.read_text() or last) if steps.exists() else 0)
            try:
                begins = newest(folder) or 0
            except Exception as error:
                outcome.faults.append(f"a checkpoint does not load: {error}")
                break
            lost, most = last - begins, 0
            if interrupt.signal == "SIGKILL":
                most = 2 * SAVED_EVERY
            outcome.lost.append(lost)
            if lost > most:
                outcome.faults.append(f"{interrupt.signal} lost {lost} steps")
            last = begins
    return outcome


def main() -> None:
    """Run them, print a table and write what happened."""
    parser = argparse.ArgumentParser(description="Interrupt runs at random and resume them.")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("runs/bench/interrupted.json"))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    begun = time.perf_counter()
    with ThreadPoolExecutor(options.parallel) as pool:
        alone = {(d, a): Settings(d, 0, a) for d in ("cpu", "gpu") for a in (1, 2, 3)}
        found = pool.map(lambda settings: process(settings, None, None), alone.values())
        expected = {key: said[-1] for key, (_, said, _) in zip(alone, found, strict=True)}
        seeds = range(options.seed, options.seed + options.runs)
        outcomes = list(pool.map(lambda seed: interrupted(seed, expected), seeds))
    rows: list[tuple[str, list[Outcome], list[tuple[Interrupt, int]]]] = []
    every = [(i, n) for o in outcomes for i, n in zip(o.interrupts, o.lost, strict=False)]
    for device in DEVICES:
        mine = [o for o in outcomes if o.settings.device == device]
        pairs = [(i, n) for o in mine for i, n in zip(o.interrupts, o.lost, strict=False)]
        rows.append((device, mine, pairs))
    for kind, names in (("place", PLACES), ("signal", SIGNALS)):
        for name in names:
            mine = [o for o in outcomes if any(getattr(i, kind) == name for i in o.interrupts)]
            rows.append((name, mine, [(i, n) for i, n in every if getattr(i, kind) == name]))
    rows.append(("all", outcomes, every))
    print(f"{'':14}{'runs':>6}{'interrupts':>12}{'most steps lost':>17}{'wrong':>7}")
    for name, mine, pairs in rows:
        wrong = sum(bool(o.faults) for o in mine)
        most = max((n for _, n in pairs), default=0)
        print(f"{name:14}{len(mine):6}{len(pairs):12}{most:17}{wrong:7}")
    resumed = Counter(len(o.interrupts) for o in outcomes)
    seconds = time.perf_counter() - begun
    print(f"resumed so many times: {dict(sorted(resumed.items()))}; {seconds:.0f} s")
    wrong_ones = [(seed, o) for seed, o in zip(seeds, outcomes, strict=True) if o.faults]
    for seed, outcome in wrong_ones:
        print(f"seed {seed}: {outcome}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps([asdict(o) for o in outcomes], indent=1))
    print(options.json)
    sys.exit(bool(wrong_ones))


if __name__ == "__main__":
    main()
