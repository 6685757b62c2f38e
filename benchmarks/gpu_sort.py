"""Sorting and scans on the GPU against PyTorch, and against a device copy.

Every result is checked against numpy before it is timed; times are the median of differences
between 3 × N and N repetitions around a synchronisation. A scan is stated beside a copy of the
bytes that it moves: 8 a float32, and 12 where it is in parts, which read their input twice.

    python benchmarks/gpu_sort.py [--json PATH] [--smoke] [--only PART]
"""

# /// script
# dependencies = ["torch==2.13.0"]
# ///

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _timing import cuda_torch, per_call

from rumus import gpu
from rumus._backends.gpu import get_gpu_backend

ROUNDS = 5
BUDGET = 6e-3
SORTS = (
    ("float32", (1, 1 << 26)),
    ("int32", (1, 1 << 26)),
    ("float16", (1, 1 << 26)),
    ("uint8", (1, 1 << 26)),
    ("float32", (1, 1 << 20)),
    ("float32", (64, 50257)),
    ("float32", (8192, 8192)),
    ("float32", (65536, 1024)),
    ("float32", (65536, 100)),
)
FIRSTS = ((10, (64, 50257)), (40, (1, 50257)), (10, (8192, 8192)), (100, (65536, 1024)))
SCANS = (
    ((1 << 26,), 0, 12),
    ((64, 1 << 20), 1, 12),
    ((8192, 8192), 1, 8),
    ((65536, 1024), 1, 8),
    ((1 << 20, 64), 1, 8),
    ((1024, 65536), 0, 12),
    ((64, 1 << 20), 0, 8),
)
SMOKE_SORTS = (("float32", (2, 5000)), ("float16", (3, 100)), ("uint8", (1, 4000)))
SMOKE_FIRSTS = ((3, (2, 3000)),)
SMOKE_SCANS = (((9000,), 0, 12), ((40, 30), 0, 8))

Array = np.ndarray[Any, Any]


class Bench:
    """Runs cases, prints a line for each, and keeps the rows."""

    def __init__(self) -> None:
        self.torch = cuda_torch()
        self.backend = get_gpu_backend(0)
        self.rng = np.random.default_rng(0)
        self.rows: list[dict[str, Any]] = []
        print("PyTorch:", "none with CUDA" if self.torch is None else self.torch.__version__)
        print(f"{'':34} {'ms':>8} {'torch':>8} {'ratio':>7} {'of a copy':>10}")

    def numbers(self, dtype: str, shape: tuple[int, ...]) -> Array:
        """Random numbers of the dtype's whole range, or of the normal distribution."""
        if np.dtype(dtype).kind == "f":
            return self.rng.standard_normal(shape, dtype=np.float32).astype(dtype)
        info = np.iinfo(dtype)
        return self.rng.integers(info.min, info.max, shape, dtype, endpoint=True)

    def peer(self, host: Array, call: Callable[..., object]) -> float | None:
        """Median seconds of PyTorch's call."""
        if self.torch is None:
            return None
        x = self.torch.from_numpy(host).cuda()
        return seconds(lambda: call(x), self.torch.cuda.synchronize)

    def add(self, name: str, ours: float, theirs: float | None, nbytes: float = 0) -> None:
        """Print and keep a row."""
        ratio = f"{theirs / ours:5.2f} x" if theirs else ""
        share = f"{nbytes / self.copy_speed / ours:9.2f}" if nbytes else ""
        peer = f"{theirs * 1e3:8.3f}" if theirs else f"{'':8}"
        print(f"{name:34} {ours * 1e3:8.3f} {peer} {ratio:>7} {share}", flush=True)
        self.rows.append({"name": name, "ours": ours, "torch": theirs, "bytes": nbytes})

    def copies(self, size: int) -> None:
        """The speed of a device copy, beside which scans are stated."""
        x = self.backend.from_host(self.numbers("float32", (size,)))
        ours = seconds(lambda: self.backend.copy(x), gpu.synchronize)
        self.copy_speed = 8 * size / ours
        theirs = self.peer(np.ones(size, np.float32), lambda t: t.clone())
        self.add(f"copy of {size} float32", ours, theirs, 8 * size)


def seconds(call: Callable[..., object], wait: Callable[[], object]) -> float:
    """Median seconds of a call."""
    return statistics.median(per_call(call, wait, BUDGET, ROUNDS))


def sorts(bench: Bench, cases: tuple[tuple[str, tuple[int, int]], ...]) -> None:
    """Rows in order, with the positions that their elements had."""
    be = bench.backend
    for dtype, shape in cases:
        host = bench.numbers(dtype, shape)
        x = be.from_host(host)
        values, columns = (be.to_host(a) for a in be.sort(x))
        sample = slice(0, min(shape[0], 4))
        np.testing.assert_array_equal(values[sample], np.sort(host[sample], 1))
        taken = np.take_along_axis(host[sample], columns[sample].astype(np.int64), 1)
        np.testing.assert_array_equal(taken, values[sample])
        theirs = bench.peer(host, lambda t: t.sort(dim=1))
        bench.add(f"sort {dtype} {shape}", seconds(lambda x=x: be.sort(x), gpu.synchronize), theirs)
    small = bench.rng.integers(0, 1 << 20, cases[0][1]).astype(np.int32)
    x = be.from_host(small)
    np.testing.assert_array_equal(be.to_host(be.sort(x, bits=20)[0]), np.sort(small, 1))
    bench.add(
        f"sort int32 below 2**20 {small.shape}",
        seconds(lambda: be.sort(x, bits=20), gpu.synchronize),
        bench.peer(small, lambda t: t.sort(dim=1)),
    )


def firsts(bench: Bench, cases: tuple[tuple[int, tuple[int, int]], ...]) -> None:
    """The largest elements of rows, in order."""
    be = bench.backend
    for k, shape in cases:
        host = bench.numbers("float32", shape)
        x = be.from_host(host)
        values = be.to_host(be.sort(x, True, first=k)[0])
        np.testing.assert_array_equal(values[:4], -np.sort(-host[:4], 1)[:, :k])
        bench.add(
            f"first {k} of float32 {shape}",
            seconds(lambda x=x, k=k: be.sort(x, True, first=k), gpu.synchronize),
            bench.peer(host, lambda t, k=k: t.topk(k, dim=1)),
        )


def scans(bench: Bench, cases: tuple[tuple[tuple[int, ...], int, int], ...]) -> None:
    """Sums of all elements up to each one, and what they move."""
    be = bench.backend
    for shape, axis, moved in cases:
        host = bench.numbers("float32", shape)
        x = be.from_host(host)
        wanted = np.cumsum(host, axis, np.float64)
        scale = np.sqrt(shape[axis])
        np.testing.assert_allclose(be.to_host(be.scan("sum", x, axis)) / scale, wanted / scale,
                                   atol=1e-4)  # fmt: skip
        bench.add(
            f"cumsum {shape} axis {axis}",
            seconds(lambda x=x, axis=axis: be.scan("sum", x, axis), gpu.synchronize),
            bench.peer(host, lambda t, axis=axis: t.cumsum(axis)),
            moved * host.size,
        )


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, help="where to write the rows")
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--only", choices=("sorts", "scans"), help="one part")
    options = parser.parse_args()
    bench = Bench()
    print(gpu.info()["api"])
    bench.copies(1 << (12 if options.smoke else 26))
    if options.only != "sorts":
        scans(bench, SMOKE_SCANS if options.smoke else SCANS)
    if options.only != "scans":
        firsts(bench, SMOKE_FIRSTS if options.smoke else FIRSTS)
        sorts(bench, SMOKE_SORTS if options.smoke else SORTS)
    if options.json:
        options.json.write_text(json.dumps(bench.rows, indent=1))


if __name__ == "__main__":
    main()
