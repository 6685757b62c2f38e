"""``rumus-data bench``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table

from .. import DataLoader, RecordDataset
from .._convert._naming import naming

_EPOCHS = 3


def bench(paths: Sequence[Path], batch_size: int, workers: Sequence[int]) -> None:
    """Measure shuffled epochs of a loader, and numpy's gather of as many bytes over the same file.

    Args:
        paths: The shards of one data set.
        batch_size: Samples in a batch.
        workers: The numbers of workers to try.
    """
    with naming(paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"):
        _bench(paths, batch_size, workers)


def _bench(paths: Sequence[Path], batch_size: int, workers: Sequence[int]) -> None:
    dataset = RecordDataset(paths)
    samples = len(dataset)
    loaders = {n: DataLoader(dataset, batch_size, shuffle=True, num_workers=n) for n in workers}
    first = _seconds(lambda: _run(loaders[workers[0]]))
    limit = _gather_of(paths[0], samples, batch_size)
    times: dict[str, list[float]] = {}
    for _ in range(_EPOCHS):
        times.setdefault("gather limit (one thread)", []).append(_seconds(limit))
        for n, loader in loaders.items():
            times.setdefault(f"loader, {n} workers", []).append(_seconds(lambda: _run(loader)))  # noqa: B023
    table = Table("what", "samples/s", "share of the limit")
    best = median(times["gather limit (one thread)"])
    rows = {name: median(seconds) for name, seconds in times.items()}
    for name, seconds in {f"first epoch, {workers[0]} workers": first, **rows}.items():
        table.add_row(name, f"{samples / seconds:,.0f}", f"{best / seconds:.2f}")
    Console().print(table)
    for n, loader in loaders.items():
        print(f"{n} workers: {loader.stats().bottleneck}")


def _gather_of(path: Path, samples: int, batch_size: int) -> Callable[[], None]:
    """Gathers rows of a file at random, as long and as many as its records, into one buffer."""
    data = np.memmap(path, np.uint8, mode="r")
    stride = max(len(data) // max(samples, 1) // 8 * 8, 8)
    rows = data[: len(data) // stride * stride].view(np.uint64).reshape(-1, stride // 8)
    order = np.random.default_rng(0).integers(len(rows), size=samples)
    batch = np.empty((min(batch_size, samples), rows.shape[1]), np.uint64)

    def gather() -> None:
        for start in range(0, samples, batch_size):
            part = order[start : start + batch_size]
            np.take(rows, part, axis=0, out=batch[: len(part)], mode="clip")

    return gather


def _run(loader: DataLoader) -> None:
    for _ in loader:
        pass


def _seconds(work: Callable[[], None]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started
