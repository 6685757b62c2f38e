"""Training steps of several models on the GPU against PyTorch: eager, captured, in a CUDA graph.

Each step is cross-entropy, clipping and AdamW in float32. Both libraries start from the same
weights, and the losses of the first steps are compared before anything is timed.

    python benchmarks/gpu_models.py [--json PATH] [--smoke] [--only NAME]
"""

# /// script
# dependencies = ["torch==2.13.0", "rich"]
# ///

from __future__ import annotations

import argparse
import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any

from _models import Case, cnn, gpt, lstm, mlp, residual, resnet18, transformer
from _steps import batch_of, largest_difference, our_step, their_step
from _timing import cuda_torch, per_call

from rumus import gpu
from rumus.tensor import manual_seed, tensor

CASES = {
    "MLP 784-512-512-10": mlp(784, 512, 512, 10),
    "MLP of 41 layers, 64 wide": mlp(784, *[64] * 40, 10),
    "MLP 1024-4096-4096-1000": mlp(1024, 4096, 4096, 1000),
    "CNN, two convolutions, 128 images of 28 x 28": cnn(128),
    "ResNet-18, 64 images of 3 x 64 x 64": resnet18(64, 64, 10),
    "8 residual blocks, 512 wide": residual(512, 8, 256),
    "transformer, 4 blocks, 384 wide, 16 x 256 tokens": transformer(384, 6, 4, 16, 256, 65),
    "transformer, 4 blocks, 768 wide, 8 x 512 tokens": transformer(768, 12, 4, 8, 512, 5000),
    "LSTM, 2 layers, 512 wide, 64 x 128 steps": lstm(512, 2, 128, 64, 65),
    "tiny GPT, 4 layers, 128 wide, 12 x 64 tokens": gpt(128, 4, 4, 12, 64, 65),
    "char GPT, 6 layers, 384 wide, 64 x 256 tokens": gpt(384, 6, 6, 64, 256, 65),
    "GPT-2, 12 layers, 768 wide, 4 x 1024 tokens": gpt(768, 12, 12, 4, 1024, 50304),
}
SMALL_CASES = {
    "MLP": mlp(5, 7, 3),
    "CNN": cnn(2, 8),
    "residual": residual(8, 2, 4),
    "transformer": transformer(8, 2, 1, 2, 3, 4),
    "LSTM": lstm(8, 2, 5, 3, 4),
    "GPT": gpt(8, 2, 1, 2, 3, 4),
}
ROUNDS = 5
COMPARED = 4
"""Steps whose losses are compared."""


def measured(case: Case, budget: float) -> dict[str, Any]:
    """Median seconds of a step, by library and mode."""
    manual_seed(0)
    weights = case.ours().state_dict()
    first, *others = [
        batch_of(case.shape, case.classes, seed, case.ids) for seed in range(COMPARED)
    ]
    x, y = (tensor(part, device="gpu") for part in first)
    torch = cuda_torch()
    row: dict[str, Any] = {}
    for name, capture in (("rumus eager", False), ("rumus captured", True)):
        step = our_step(case.ours(), weights, capture)
        if torch is not None:
            theirs = their_step(torch, case.theirs(torch), weights, first, graph=False)
            row["difference"] = max(
                row.get("difference", 0.0), largest_difference(step, theirs, [first, *others])
            )
        step(x, y)
        times = per_call(partial(step, x, y), gpu.synchronize, budget, ROUNDS)
        row[name] = statistics.median(times)
    if torch is not None:
        for name, graph in (("PyTorch eager", False), ("PyTorch graph", True)):
            run, *_ = their_step(torch, case.theirs(torch), weights, first, graph)
            times = per_call(run, torch.cuda.synchronize, budget, ROUNDS)
            row[name] = statistics.median(times)
    return row


def main() -> None:
    """Measure, print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="small models, to try the script")
    parser.add_argument("--only", default="", help="models whose name contains this")
    options = parser.parse_args()
    if cuda_torch() is None:
        print("peer missing: PyTorch with CUDA is not installed here")
    rows = {}
    columns = "rumus eager", "PyTorch eager", "rumus captured", "PyTorch graph"
    print(f"{'milliseconds a step':50}" + "".join(f"{name:>16}" for name in columns))
    for name, case in (SMALL_CASES if options.smoke else CASES).items():
        if options.only not in name:
            continue
        row = rows[name] = measured(case, 0.0 if options.smoke else 0.15)
        cells = "".join(f"{1e3 * row[c]:16.3f}" if c in row else f"{'':16}" for c in columns)
        difference = f"   losses differ by {row['difference']:.1e}" if "difference" in row else ""
        print(f"{name:50}{cells}{difference}")
    if options.json:
        options.json.write_text(json.dumps({"seconds": rows, "gpu": gpu.info()}, indent=1))


if __name__ == "__main__":
    main()
