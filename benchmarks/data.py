"""Data loading against numpy's gather and other loaders: samples a second, as ratios of one run.

    python benchmarks/data.py [--json PATH] [--quick]

Every figure is the median of interleaved rounds. "gather" is numpy's ``take`` on one thread from a
memory map of an ``.npy`` file into one buffer. Epochs of slow peers are cut after some seconds.
"""

# /// script
# dependencies = ["torch==2.13.0", "array_record", "webdataset"]
# ///

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import _data_peers as peers
import numpy as np
import numpy.typing as npt

from rumus.data import ArrayDataset, DataItem, DataLoader, RecordDataset, RecordWriter

Array = npt.NDArray[Any]
Results = dict[str, dict[str, float]]
CAP = 4.0  # seconds of an epoch


def rate(epoch: Callable[[], Iterable[Any]], samples: int, batch_size: int) -> float:
    """Samples a second of one epoch, or of its first seconds."""
    started = time.perf_counter()
    batches = -1
    for batches, _ in enumerate(epoch()):  # noqa: B007
        if time.perf_counter() - started > CAP:
            break
    seconds = time.perf_counter() - started
    return min((batches + 1) * batch_size, samples) / seconds


def compare(
    epochs: dict[str, Callable[[], Iterable[Any]] | None],
    samples: int,
    batch_size: int,
    rounds: int,
) -> dict[str, float]:
    """The median rate of each, measured in turns; a missing peer is left out."""
    found = {name: epoch for name, epoch in epochs.items() if epoch is not None}
    measured: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, epoch in found.items():
            measured[name].append(rate(epoch, samples, batch_size))
    return {name: statistics.median(values) for name, values in measured.items()}


def loading(folder: Path, x: Array, y: Array, batch_size: int, rounds: int) -> dict[str, float]:
    """Shuffled epochs from files, checks on, and of peers from files or memory."""
    with RecordWriter(folder / "a.rrec", overwrite=True) as writer:
        writer.append_batch(x, y)
    with RecordWriter(folder / "parts.rrec", overwrite=True) as writer:
        writer.append_batch({"x": x, "y": y})
    np.save(folder / "x.npy", x)
    mapped = np.load(folder / "x.npy", mmap_mode="r")

    def loader(workers: int, dataset: Any) -> DataLoader:
        return DataLoader(dataset, batch_size, shuffle=True, num_workers=workers)

    dataset = RecordDataset(folder / "a.rrec", check="never")
    rate(lambda: loader(0, dataset), len(x), batch_size)  # brings the file into the page cache
    dataset = RecordDataset(folder / "a.rrec")
    rate(lambda: loader(0, dataset), len(x), batch_size)  # checks every record
    parts: RecordDataset[Any] = RecordDataset(folder / "parts.rrec", check="never")
    return compare(
        {
            "gather": peers.gather(mapped, y, batch_size),
            "gather from memory": peers.gather(x, y, batch_size),
            "rumus, 0 workers": lambda: loader(0, dataset),
            "rumus, 2 workers": lambda: loader(2, dataset),
            "rumus, first epoch, 0 workers": lambda: loader(0, RecordDataset(folder / "a.rrec")),
            "rumus, first epoch, 2 workers": lambda: loader(2, RecordDataset(folder / "a.rrec")),
            "rumus, dicts, 0 workers": lambda: loader(0, parts),
            "rumus in memory, 0 workers": lambda: loader(0, ArrayDataset(x, y)),
            "torch, 0 workers": peers.torch_tensors(x, y, batch_size, 0),
            "torch, 2 workers": peers.torch_tensors(x, y, batch_size, 2),
            "torch __getitems__, 0 workers": peers.torch_batches(x, y, batch_size),
            "array_record": peers.array_record(folder / "a.arrayrecord", x, y, batch_size),
            "webdataset": peers.webdataset(folder / "a.tar", x, y, batch_size),
        },
        len(x),
        batch_size,
        rounds,
    )


class Items:
    """A data set of the user's: item by item, for either loader."""

    def __init__(self, x: Array, y: list[int], make: Callable[[Any, int], Any]) -> None:
        self.x, self.y, self.make = x, y, make

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> Any:
        return self.make(self.x[index], self.y[index])


def items(x: Array, y: Array, rounds: int) -> dict[str, float]:
    """A Python ``__getitem__`` without ``__getitems__``."""
    own = Items(x, y.tolist(), DataItem)
    dicts = Items(x, y.tolist(), lambda image, label: {"image": image, "label": label})
    return compare(
        {
            "torch, 0 workers": peers.torch_items(Items(x, y.tolist(), lambda *p: p), 128, 0),
            "rumus, 0 workers": lambda: DataLoader(own, 128, shuffle=True),
            "rumus, 2 workers": lambda: DataLoader(own, 128, shuffle=True, num_workers=2),
            "rumus, dicts, 0 workers": lambda: DataLoader(dicts, 128, shuffle=True),
        },
        len(x),
        128,
        rounds,
    )


def overhead(count: int, rounds: int) -> dict[str, float]:
    """Integers in memory, batches of 128: what a loader itself costs."""
    numbers = np.arange(count)
    return compare(
        {
            "torch __getitems__, 0 workers": peers.torch_batches(numbers, numbers, 128),
            "rumus, 0 workers": lambda: DataLoader(ArrayDataset(numbers, numbers), 128, True),
        },
        count,
        128,
        rounds,
    )


def stall(path: Path) -> dict[str, float]:
    """Milliseconds that a consumer waits for a batch when it is away for 4 ms in each step."""
    waits, firsts = [], []
    for _ in range(3):
        loader = DataLoader(RecordDataset(path), 128, shuffle=True, num_workers=2)
        started = time.perf_counter()
        for number, _ in enumerate(loader):
            (waits if number else firsts).append(1000 * (time.perf_counter() - started))
            if number == 200:
                break
            time.sleep(0.004)
            started = time.perf_counter()
    return {"median step": statistics.median(waits), "first batch": statistics.median(firsts)}


class Slow:
    """A millisecond a sample, outside of Python."""

    def __len__(self) -> int:
        return 1024

    def __getitem__(self, index: int) -> DataItem:
        time.sleep(0.001)
        return DataItem(np.zeros(8, np.float32), index)


def scaling(rounds: int) -> dict[str, float]:
    """How many times faster N workers are than none, over a data set that waits."""
    rates = compare(
        {f"{n} workers": lambda n=n: DataLoader(Slow(), 16, num_workers=n) for n in (0, 2, 4, 8)},
        1024,
        16,
        rounds,
    )
    return {name: value / rates["0 workers"] for name, value in rates.items()}


def writing(folder: Path, x: Array, y: Array, rounds: int) -> dict[str, float]:
    """Samples a second of writers, until the file is complete."""

    def synced(path: Path) -> bool:
        """The peer's file as durable as ours."""
        if not peers.write_array_record(path, x, y):
            return False
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
        return True

    def own(batched: bool) -> None:
        with RecordWriter(folder / "w.rrec") as writer:
            if batched:
                writer.append_batch(x, y)
            else:
                for input, target in zip(x, y, strict=True):
                    writer.append(input, target)

    measured: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, work in {
            "array_record": lambda: peers.write_array_record(folder / "w.arrayrecord", x, y),
            "array_record, then synced": lambda: synced(folder / "w.arrayrecord"),
            "rumus append": lambda: own(False),
            "rumus append_batch": lambda: own(True),
        }.items():
            for old in folder.glob("w.*"):
                old.unlink()
            started = time.perf_counter()
            if work() is not False:
                measured.setdefault(name, []).append(len(x) / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in measured.items()}


def large_order(count: int) -> dict[str, float]:
    """A shuffled order: seconds to its first batch and to its end, and MiB at most."""
    from rumus.data._order import shuffled_order
    from rumus.data._random import PurposeStreams

    before = memory("VmHWM")
    started = time.perf_counter()
    order = shuffled_order(count, PurposeStreams(0), 0)
    order.take(slice(0, 128))
    first = time.perf_counter() - started
    order.take(slice(0, count))
    whole = time.perf_counter() - started
    return {"first batch, s": first, "whole, s": whole, "memory, MiB": memory("VmHWM") - before}


def large_file(folder: Path, count: int) -> dict[str, float]:
    """Opening a (sparse) file of very many records: milliseconds, and MiB of its own memory."""
    from rumus.data._rrec._v2 import pack_footer

    path = folder / "sparse.rrec"
    with RecordWriter(path) as writer:
        writer.append(np.zeros(4, np.float32), 0)
    index = path.read_bytes()[-88:-64]
    with open(path, "r+b") as file:
        file.seek(128 + 128 * count)
        file.write(index + pack_footer(count, 1, 128 + 128 * count))
    before = memory()
    started = time.perf_counter()
    dataset = RecordDataset(path)
    dataset[0]
    seconds = time.perf_counter() - started
    return {"open, ms": 1000 * seconds, "memory, MiB": memory() - before}


def epoch_memory(path: Path) -> dict[str, float]:
    """MiB of its own that a process gains over an epoch with 2 workers, beyond the page cache."""
    loader = DataLoader(RecordDataset(path), 128, shuffle=True, num_workers=2)
    before = memory()
    most = 0.0
    for number, _ in enumerate(loader):
        if number % 20 == 0:
            most = max(most, memory() - before)
    return {"memory, MiB": most}


def memory(field: str = "RssAnon") -> float:
    """MiB of this process now that are not the page cache, or another field of Linux's status."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[field].split()[0]) / 1024


def apart(work: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """The result of a function that runs in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def show(results: Results) -> None:
    """Print a table for each benchmark; of rates, also the ratio to the first row."""
    for name, rows in results.items():
        print(f"\n{name}")
        base = next(iter(rows.values()))
        for row, value in rows.items():
            ratio = f"{value / base:8.2f}×" if "samples/s" in name else ""
            print(f"  {row:32}{value:16,.2f} {ratio}")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="fewer samples and rounds")
    options = parser.parse_args()
    rounds, shrink = (2, 10) if options.quick else (5, 1)
    random = np.random.default_rng(0)
    small = random.random((200_000 // shrink, 28, 28), np.float32)
    large = random.integers(256, size=(4_000 // shrink, 3, 224, 224), dtype=np.uint8)
    labels = random.integers(10, size=len(small))
    results: Results = {}
    with tempfile.TemporaryDirectory() as name:
        one, two = Path(name, "small"), Path(name, "large")
        one.mkdir()
        two.mkdir()
        results["small samples (28×28 float32), samples/s"] = loading(
            one, small, labels, 128, rounds
        )
        results["large samples (3×224×224 uint8), samples/s"] = loading(
            two, large, labels[: len(large)], 64, rounds
        )
        results["integers in memory, samples/s"] = overhead(1_000_000 // shrink, rounds)
        results["Python __getitem__, samples/s"] = items(small, labels, rounds)
        results["stall with 4 ms steps, 2 workers, ms"] = stall(one / "a.rrec")
        results["memory of an epoch, 2 workers"] = apart(epoch_memory, one / "a.rrec")
        results["1 ms a sample, times faster"] = scaling(min(rounds, 2))
        results["writing small samples, samples/s"] = writing(
            one, small[:50_000], labels[:50_000], rounds
        )
        results["a file of many records"] = apart(large_file, one, 100_000_000 // shrink)
        results["an order of many samples"] = apart(large_order, 100_000_000 // shrink)
    show(results)
    if missing := peers.missing():
        print(f"\nmissing, and not measured: {', '.join(missing)}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
