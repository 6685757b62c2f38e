"""GPU memory that training steps of several models hold, here and in PyTorch.

The step is that of ``gpu_models``. Each library runs in a process of its own and reports what it
has taken from the driver after five steps: ours captured, PyTorch's in a CUDA graph.

    python benchmarks/gpu_memory.py [--json PATH] [--smoke] [--only NAME]
"""

# /// script
# dependencies = ["torch==2.13.0", "rich"]
# ///

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from _steps import batch_of, our_step, their_step
from _timing import cuda_torch
from gpu_models import CASES, SMALL_CASES

from rumus import gpu
from rumus.tensor import tensor

STEPS = 5
ALL = CASES | SMALL_CASES


def ours(name: str) -> float:
    """Bytes reserved from the driver by a captured step."""
    case = ALL[name]
    model = case.ours()
    step = our_step(model, model.state_dict(), capture=True)
    x, y = (tensor(part, device="gpu") for part in batch_of(case.shape, case.classes, 0, case.ids))
    for _ in range(STEPS):
        step(x, y)
    gpu.synchronize()
    return gpu.memory_stats()["reserved"]


def theirs(name: str) -> float | None:
    """Bytes reserved from the driver by a CUDA graph, or None without PyTorch on CUDA."""
    case, torch = ALL[name], cuda_torch()
    if torch is None:
        return None
    weights = case.ours().state_dict()
    first = batch_of(case.shape, case.classes, 0, case.ids)
    step, *_ = their_step(torch, case.theirs(torch), weights, first, graph=True)
    for _ in range(STEPS):
        step()
    torch.cuda.synchronize()
    return float(torch.cuda.memory_reserved())


def in_a_process(library: str, name: str) -> float | None:
    """What a library reports."""
    command = [sys.executable, __file__, "--library", library, "--only", name]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure, print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="small models, to try the script")
    parser.add_argument("--only", default="", help="models whose name contains this")
    parser.add_argument("--library", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.library:
        print(json.dumps({"ours": ours, "theirs": theirs}[options.library](options.only)))
        return
    rows = {}
    print(f"{'megabytes':50}{'rumus':>12}{'PyTorch':>12}")
    for name in SMALL_CASES if options.smoke else CASES:
        if options.only in name:
            row = rows[name] = {who: in_a_process(who, name) for who in ("ours", "theirs")}
            cells = ("missing" if n is None else f"{n / 1e6:.1f}" for n in row.values())
            print(f"{name:50}" + "".join(f"{cell:>12}" for cell in cells), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"bytes": rows, "gpu": gpu.info()}, indent=1))


if __name__ == "__main__":
    main()
