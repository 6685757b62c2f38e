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
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from _timing import cuda_torch, per_call

from rumus import gpu, nn
from rumus.optim import AdamW, clip_grad_norm_
from rumus.tensor import Tensor, manual_seed, tensor
from rumus.train import Trainer

SIZES = (784, 512, 512, 10)
DEEP = (784, *[64] * 40, 10)
"""Of a model whose step has many small dispatches, so that the processor is what it waits for."""
BATCH = 128
LEARNING_RATE = 1e-3
ROUNDS = 7


def make_model(sizes: Sequence[int] = SIZES) -> nn.Sequential:
    """A model with ReLU between its layers, on the CPU."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def make_batches(count: int) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Random inputs and classes."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.standard_normal((BATCH, SIZES[0]), dtype=np.float32),
            rng.integers(0, SIZES[-1], BATCH, dtype=np.int32),
        )
        for _ in range(count)
    ]


def ours(weights: dict[str, Tensor], capture: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """One training step of ours; returns the loss."""
    model = make_model()
    model.load_state_dict(weights)
    model.to_gpu()
    trainer = Trainer(AdamW(model.parameters(), lr=LEARNING_RATE), capture=capture)

    def clip(grads: Any, params: Any) -> None:
        clip_grad_norm_(grads, params, 1.0)

    def forward(x: Tensor, y: Tensor) -> Tensor:
        return nn.cross_entropy_loss(model(x), y)

    return lambda x, y: trainer.train_step_with(clip, forward, x, y)


def dispatch_seconds(sizes: Sequence[int], x: Tensor, y: Tensor, count: int) -> float:
    """The processor's time for a dispatch of a captured step, everything included."""
    model = make_model(sizes).to_gpu()
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


def theirs(torch: Any, weights: dict[str, Tensor], graph: bool) -> tuple[Any, Any, Any]:
    """PyTorch's step on fixed input tensors: the step and its inputs."""
    layers: list[Any] = []
    for wide, narrow in pairwise(SIZES):
        layers += [torch.nn.Linear(wide, narrow), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    model.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in weights.items()})
    model.cuda()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=0.01, fused=True, capturable=graph
    )
    x = torch.empty((BATCH, SIZES[0]), device="cuda")
    y = torch.zeros((BATCH,), device="cuda", dtype=torch.long)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        return loss

    if not graph:
        return step, x, y
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        step()
    return recorded.replay, x, y


def check(torch: Any, weights: dict[str, Tensor]) -> float:
    """The largest relative difference between the losses of the three over 20 steps."""
    batches = make_batches(20)
    step, x, y = theirs(torch, weights, graph=False)
    expected = []
    for inputs, classes in batches:
        x.copy_(torch.from_numpy(inputs))
        y.copy_(torch.from_numpy(classes))
        expected.append(step().item())
    worst = 0.0
    for capture in (False, True):
        mine = ours(weights, capture)
        losses = [mine(tensor(i, device="gpu"), tensor(c, device="gpu")).item() for i, c in batches]
        worst = max(worst, float(np.max(np.abs(np.array(losses) / np.array(expected) - 1))))
    return worst


def import_seconds(statement: str) -> float:
    """The median time of a fresh interpreter that runs a statement."""
    times = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure, print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="few repetitions, to try the script")
    options = parser.parse_args()
    budget, count = (0.0, 3) if options.smoke else (0.15, 300)
    manual_seed(0)
    weights = make_model().state_dict()
    rows: dict[str, Any] = {}

    (inputs, classes), *_ = make_batches(1)
    x, y = tensor(inputs, device="gpu"), tensor(classes, device="gpu")
    for name, capture in (("rumus eager", False), ("rumus captured", True)):
        step = ours(weights, capture)
        step(x, y)
        rows[name] = per_call(partial(step, x, y), gpu.synchronize, budget, ROUNDS)
    start = time.perf_counter()
    for _ in range(count):
        step(x, y)
    rows["rumus captured, CPU time"] = [(time.perf_counter() - start) / count]
    gpu.synchronize()
    rows["CPU time a dispatch"] = [dispatch_seconds(SIZES, x, y, count)]
    rows["CPU time a dispatch, deep"] = [dispatch_seconds(DEEP, x, y, count)]

    torch = cuda_torch()
    if torch is None:
        print("peer missing: PyTorch with CUDA is not installed here")
    else:
        print(f"largest relative difference of 20 losses: {check(torch, weights):.2e}")
        for name, graph in (("PyTorch eager", False), ("PyTorch CUDA graph", True)):
            run, tx, ty = theirs(torch, weights, graph)
            tx.copy_(torch.from_numpy(inputs))
            ty.copy_(torch.from_numpy(classes))
            rows[name] = per_call(run, torch.cuda.synchronize, budget, ROUNDS)
    rows["import rumus.tensor"] = [import_seconds("import rumus.tensor")]
    rows["import numpy"] = [import_seconds("import numpy")]

    print(f"{'work':28}{'median ms':>12}{'min':>10}{'max':>10}")
    for name, seconds in rows.items():
        middle = statistics.median(seconds) * 1e3
        print(f"{name:28}{middle:12.4f}{min(seconds) * 1e3:10.4f}{max(seconds) * 1e3:10.4f}")
    if options.json:
        options.json.write_text(json.dumps({"seconds": rows, "gpu": gpu.info()}, indent=1))


if __name__ == "__main__":
    main()
