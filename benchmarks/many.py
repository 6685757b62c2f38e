"""Training steps of one process or of several: samples a second, and what waits for the others.

Each process takes a batch of the same size, so that the global batch grows with their number.

    python benchmarks/many.py --case cnn --batch 1024
    mpiexec -n 2 python benchmarks/many.py --case cnn --batch 1024

What is printed is JSON: milliseconds of a step (the mean), of them those from the last loss to the
new weights ("update"), and those that waited for other processes ("waited").
"""

from __future__ import annotations

import argparse
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from _models import cnn, gpt, mlp

from rumus import nn
from rumus.optim import AdamW
from rumus.tensor import Tensor, manual_seed, tensor
from rumus.train import Callback, Group, Trainer, find_group
from rumus.train._parallel.update import Update

CASES = {
    "mlp": mlp(784, 512, 512, 10),
    "cnn": cnn(128),
    "char": gpt(384, 6, 6, 64, 256, 65),
    "gpt2": gpt(768, 12, 12, 4, 1024, 50304),
}


Array = npt.NDArray[Any]


class Watched:
    """A group whose waits are measured."""

    def __init__(self, group: Group) -> None:
        self._group, self.waited = group, 0.0
        self.rank, self.size, self.local_rank = group.rank, group.size, group.local_rank
        self.at, self.empty, self.wake = group.at, group.empty, group.wake

    def alltoallv(self, *given: Any) -> Waiting:
        """As the group's."""
        return Waiting(self, self._group.alltoallv(*given))

    def allgatherv(self, *given: Any) -> Waiting:
        """As the group's."""
        return Waiting(self, self._group.allgatherv(*given))

    def broadcast(self, array: Array, root: int = 0) -> Waiting:
        """As the group's."""
        return Waiting(self, self._group.broadcast(array, root))

    def max(self, values: Array) -> Waiting:
        """As the group's."""
        return Waiting(self, self._group.max(values))

    def barrier(self) -> Waiting:
        """As the group's."""
        return Waiting(self, self._group.barrier())


class Waiting:
    """A call of a watched group."""

    def __init__(self, group: Watched, pending: Any) -> None:
        self._group, self._pending = group, pending
        self.give_back = getattr(pending, "give_back", None)

    def wait(self) -> None:
        """Wait, and count it if the step waits, and not a thread that copies."""
        self._count(self._pending.wait)

    def parts(self) -> Mapping[int, Array]:
        """The same."""
        found: Mapping[int, Array] = self._count(self._pending.parts)
        return found

    def _count(self, wait: Callable[[], Any]) -> Any:
        start = perf_counter()
        found = wait()
        if threading.current_thread() is threading.main_thread():
            self._group.waited += perf_counter() - start
        return found


class Clock(Callback):
    """When steps end."""

    may_stop = False

    def __init__(self, group: Watched, first: int, last: int) -> None:
        self.group, self.updates = group, 0.0
        self.first, self.last = first, last
        self.marks: list[tuple[float, float, float]] = []

    def on_step_end(self, run: Any) -> None:
        """Note the time at both ends, when the device has done what came before."""
        if run.progress.step in (self.first, self.last):
            next(iter(run.model.parameters())).numpy()
            self.marks.append((perf_counter(), self.updates, self.group.waited))

    def means(self) -> list[float]:
        """Milliseconds of a step, of its update, of its waits."""
        first, last = (np.array(mark) for mark in self.marks)
        found: list[float] = ((last - first) / (self.last - self.first) * 1e3).tolist()
        return found


class Batches:
    """The same global batches, again and again."""

    def __init__(self, case: Any, batch: int, accumulate: int, device: str) -> None:
        rng = np.random.default_rng(0)
        shape = (batch, *case.shape[1:])
        classes = shape if case.ids else shape[:1]
        self.accumulate = accumulate
        draw = rng.integers(0, case.classes, shape, np.int32) if case.ids else None
        inputs = rng.standard_normal(shape, np.float32) if draw is None else draw
        targets = rng.integers(0, case.classes, classes, np.int32)
        self.batch = tensor(inputs, device=device), tensor(targets, device=device)

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield self.batch


def loss_of(output: Tensor, target: Tensor) -> Tensor:
    """Cross entropy of class ids of any shape."""
    return nn.cross_entropy_loss(output.reshape((-1, output.shape[-1])), target.reshape(-1))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, default="mlp")
    parser.add_argument("--batch", type=int, default=128, help="of each process")
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--shards", type=int)
    parser.add_argument("--eager", action="store_true")
    given = parser.parse_args()
    group = Watched(find_group("auto"))
    case = CASES[given.case]
    manual_seed(0)
    model = case.ours().to(given.device)
    clock = Clock(group, min(10, given.steps // 3), given.steps)
    Update.step = timed_step(clock)  # type: ignore[method-assign]
    trainer = Trainer(
        AdamW(model.parameters(), lr=1e-3),
        capture=not given.eager,
        group=group,
        shards=given.shards,
    )
    whole = given.batch * group.size
    batches = Batches(case, whole, given.accumulate, given.device)
    run = trainer.fit(
        model,
        batches,
        loss_of,
        steps=given.steps,
        accumulate=given.accumulate,
        callbacks=[clock],
    )
    weights = hashlib.sha256()
    for parameter in model.parameters():
        weights.update(parameter.numpy().tobytes())
    step, update, waited = clock.means()
    if group.rank == 0:
        report = {
            "case": given.case,
            "processes": group.size,
            "global batch": whole * given.accumulate,
            "step ms": round(step, 3),
            "update ms": round(update, 3),
            "waited ms": round(waited, 3),
            "samples/s": round(whole * given.accumulate / step * 1e3, 1),
            "loss": run.loss.item() if run.loss is not None else None,
            "weights": weights.hexdigest()[:12],
        }
        print(json.dumps(report), flush=True)


def timed_step(clock: Clock) -> Callable[..., None]:
    """``Update.step`` with a clock."""
    plain = Update.step

    def step(self: Update, *given: Any) -> None:
        start = perf_counter()
        plain(self, *given)
        clock.updates += perf_counter() - start

    return step


if __name__ == "__main__":
    main()
