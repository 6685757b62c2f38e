"""Training steps of several models on the CPU against PyTorch with its best number of threads.

Each step is cross-entropy, clipping and AdamW in float32. Both libraries start from the same
weights, and the losses of the first steps are compared before anything is timed. PyTorch's number
of threads is the fastest of 1, 2, 4, ... up to the cores; ours is the default.

    python benchmarks/cpu_models.py [--json PATH] [--smoke] [--only NAME]
"""

# /// script
# dependencies = ["torch==2.13.0"]
# ///

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _models import Case, cnn, gpt, lstm, mlp
from _steps import batch_of, largest_difference, our_step, their_step

from rumus.tensor import get_num_threads, manual_seed, tensor

CASES = {
    "MLP 784-512-512-10": mlp(784, 512, 512, 10),
    "CNN, two convolutions, 128 images of 28 x 28": cnn(128),
    "char GPT small, 4 layers, 128 wide, 12 x 64 tokens": gpt(128, 4, 4, 12, 64, 65),
    "LSTM, 2 layers, 128 wide, 32 x 64 steps": lstm(128, 2, 64, 32, 65),
    "LSTM, 2 layers, 512 wide, 64 x 128 steps": lstm(512, 2, 128, 64, 65),
}
SMALL_CASES = {
    "MLP": mlp(5, 7, 3),
    "CNN": cnn(2, 8),
    "GPT": gpt(8, 2, 1, 2, 3, 4),
    "LSTM": lstm(8, 2, 5, 3, 4),
}
COMPARED = 4
"""Steps whose losses are compared."""


def seconds(step: Callable[[], object], budget: float) -> float:
    """Median seconds of a step, of as many as the budget holds, but at least five."""
    step()
    times: list[float] = []
    while len(times) < 5 or sum(times) < budget:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measured(case: Case, torch: Any, budget: float) -> dict[str, Any]:
    """Seconds of a step of each library."""
    manual_seed(0)
    weights = case.ours().state_dict()
    batches = [batch_of(case.shape, case.classes, seed, case.ids) for seed in range(COMPARED)]
    x, y = map(tensor, batches[0])
    step = our_step(case.ours(), weights, False, "cpu")
    row: dict[str, Any] = {}
    if torch is not None:
        theirs = their_step(torch, case.theirs(torch), weights, batches[0], False, "cpu")
        row["difference"] = largest_difference(step, theirs, batches, "cpu")
        row["PyTorch by threads"] = by_threads(torch, theirs[0], budget)
        row["PyTorch"] = min(row["PyTorch by threads"].values())
    row["rumus"] = seconds(partial(step, x, y), budget)
    return row


def by_threads(torch: Any, step: Callable[[], object], budget: float) -> dict[int, float]:
    """PyTorch's seconds with 1, 2, 4, ... threads."""
    counts = [1 << power for power in range((os.cpu_count() or 1).bit_length())]
    result = {}
    for count in counts:
        torch.set_num_threads(count)
        result[count] = seconds(step, budget)
    return result


def peer() -> Any:
    """PyTorch, or None."""
    try:
        import torch
    except ImportError:
        print("peer missing: PyTorch is not installed here")
        return None
    return torch


def main() -> None:
    """Measure, print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="small models, to try the script")
    parser.add_argument("--only", default="", help="models whose name contains this")
    options = parser.parse_args()
    torch = peer()
    print(f"{os.cpu_count()} cores, our threads {get_num_threads()}, numpy {np.__version__}")
    rows = {}
    for name, case in (SMALL_CASES if options.smoke else CASES).items():
        if options.only not in name:
            continue
        row = rows[name] = measured(case, torch, 0.0 if options.smoke else 1.0)
        cells = f"{name:52}{1e3 * row['rumus']:9.2f} ms"
        if torch is not None:
            tried = row["PyTorch by threads"]
            cells += (
                f"   PyTorch {1e3 * row['PyTorch']:9.2f} ms ({min(tried, key=tried.get)} threads), "
                f"{row['PyTorch'] / row['rumus']:.2f} x   losses differ by {row['difference']:.1e}"
            )
        print(cells, flush=True)
    if options.json:
        options.json.write_text(json.dumps({"seconds": rows, "cores": os.cpu_count()}, indent=1))


if __name__ == "__main__":
    main()
