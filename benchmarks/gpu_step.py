"""A whole training step on the GPU against PyTorch: an MLP, eager and captured.

784-512-512-10 with ReLU, batch 128, cross-entropy, gradient clipping and AdamW, float32. PyTorch
runs the same step with its fused AdamW, eager and in a CUDA graph. Both start from the same
weights, and the losses of the first steps are compared before anything is timed.

    python benchmarks/gpu_step.py [--json PATH] [--smoke]
"""

# /// script
# dependencies = ["torch==2.13.0", "rich"]
# ///

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from _models import our_mlp, their_mlp
from _steps import LEARNING_RATE, batch_of, largest_difference, our_step, their_step
from _timing import cuda_torch, per_call

from rumus import gpu, nn
from rumus.optim import AdamW, clip_grad_norm_
from rumus.tensor import Tensor, manual_seed, tensor

SIZES = (784, 512, 512, 10)
DEEP = (784, *[64] * 40, 10)
"""Of a model whose step has many small dispatches, so that the processor is what it waits for."""
BATCH = 128
ROUNDS, IMPORTS = 7, 25
COMPARED = 20
"""Steps whose losses are compared."""


def dispatch_seconds(sizes: Sequence[int], x: Tensor, y: Tensor, count: int) -> float:
    """The processor's time for a dispatch of a captured step, everything included."""
    model = our_mlp(sizes).to_gpu()
    optimizer = AdamW(model.parameters(), lr=LEARNING_RATE)

    @gpu.capture
    def step(x: Tensor, y: Tensor) -> None:
        grads = nn.cross_entropy_loss(model(x), y).backward()
        clip_grad_norm_(grads, optimizer.params, 1.0)
        optimizer.step(grads)

    for _ in range(10):
        step(x, y)
    gpu.synchronize()
    start = time.perf_counter()
    for _ in range(count):
        step(x, y)
    seconds = time.perf_counter() - start
    gpu.synchronize()
    return seconds / count / step.dispatches[0]


def import_seconds(statements: Sequence[str], rounds: int) -> list[list[float]]:
    """The times of fresh interpreters that run a statement, in turns, with bytecode at hand."""
    times: list[list[float]] = [[] for _ in statements]
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for turn in range(rounds + 1):
            for statement, seconds in zip(statements, times, strict=True):
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
                if turn:
                    seconds.append(time.perf_counter() - start)
    return times


def main() -> None:
    """Measure, print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="few repetitions, to try the script")
    options = parser.parse_args()
    budget, count = (0.0, 3) if options.smoke else (0.15, 300)
    manual_seed(0)
    weights = our_mlp(SIZES).state_dict()
    rows: dict[str, Any] = {}

    batches = [batch_of((BATCH, SIZES[0]), SIZES[-1], seed) for seed in range(COMPARED)]
    x, y = (tensor(part, device="gpu") for part in batches[0])
    steps = {
        "rumus eager": our_step(our_mlp(SIZES), weights, capture=False),
        "rumus captured": our_step(our_mlp(SIZES), weights, capture=True),
    }
    for name, step in steps.items():
        step(x, y)
        rows[name] = per_call(partial(step, x, y), gpu.synchronize, budget, ROUNDS)
    start = time.perf_counter()
    for _ in range(count):
        steps["rumus captured"](x, y)
    rows["rumus captured, CPU time"] = [(time.perf_counter() - start) / count]
    gpu.synchronize()
    rows["CPU time a dispatch"] = [dispatch_seconds(SIZES, x, y, count)]
    rows["CPU time a dispatch, deep"] = [dispatch_seconds(DEEP, x, y, count)]

    torch = cuda_torch()
    if torch is None:
        print("peer missing: PyTorch with CUDA is not installed here")
    else:
        for name, capture in (("eager", False), ("captured", True)):
            step = our_step(our_mlp(SIZES), weights, capture)
            theirs = their_step(torch, their_mlp(torch, SIZES), weights, batches[0], graph=False)
            worst = largest_difference(step, theirs, batches)
            print(f"largest relative difference of {COMPARED} losses, {name}: {worst:.2e}")
        for name, graph in (("PyTorch eager", False), ("PyTorch CUDA graph", True)):
            run, *_ = their_step(torch, their_mlp(torch, SIZES), weights, batches[0], graph)
            rows[name] = per_call(run, torch.cuda.synchronize, budget, ROUNDS)
    imports = "import rumus.tensor", "import numpy"
    rounds = 1 if options.smoke else IMPORTS
    rows.update(zip(imports, import_seconds(imports, rounds), strict=True))

    print(f"{'work':28}{'median ms':>12}{'min':>10}{'max':>10}")
    for name, seconds in rows.items():
        middle = statistics.median(seconds) * 1e3
        print(f"{name:28}{middle:12.4f}{min(seconds) * 1e3:10.4f}{max(seconds) * 1e3:10.4f}")
    if options.json:
        options.json.write_text(json.dumps({"seconds": rows, "gpu": gpu.info()}, indent=1))


if __name__ == "__main__":
    main()
