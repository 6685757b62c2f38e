"""Large arrays between the host and the GPU, against PyTorch with ordinary (pageable) memory.

A read-back makes a new array on the host, whose memory the system first has to provide. Results are
compared with what was sent.

    python benchmarks/gpu_transfer.py [--json PATH] [--smoke]
"""

# /// script
# dependencies = ["torch==2.13.0"]
# ///

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _timing import cuda_torch

from rumus import gpu
from rumus.tensor import tensor

SIZES = (16, 64, 256, 1024)
"""MiB."""
ROUNDS = 5

Array = np.ndarray[Any, Any]


def seconds(call: Callable[[], object]) -> float:
    """The median time of a call."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def ours(host: Array) -> dict[str, float]:
    """Seconds of an upload and of a read-back."""
    placed = tensor(host, device="gpu")
    if not np.array_equal(placed.numpy(), host):
        raise SystemExit("an array came back otherwise than it was sent")

    def upload() -> None:
        tensor(host, device="gpu")
        gpu.synchronize()

    return {"upload": seconds(upload), "read": seconds(placed.numpy)}


def theirs(torch: Any, host: Array) -> dict[str, float]:
    """The same with PyTorch."""
    placed = torch.from_numpy(host).cuda()

    def upload() -> None:
        torch.from_numpy(host).cuda()
        torch.cuda.synchronize()

    return {"upload": seconds(upload), "read": seconds(placed.cpu)}


def main() -> None:
    """Measure, print a table in GB/s and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that it runs")
    options = parser.parse_args()
    torch = cuda_torch()
    if torch is None:
        print("peer missing: PyTorch with CUDA is not installed here")
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for mib in (1,) if options.smoke else SIZES:
        host = rng.standard_normal(mib << 18, dtype=np.float32)
        peer = theirs(torch, host) if torch else {}
        for name, taken in ours(host).items():
            row = {"what": name, "mib": mib, "rumus": host.nbytes / taken / 1e9}
            if torch:
                row["torch"] = host.nbytes / peer[name] / 1e9
            rows.append(row)
            beside = f"   PyTorch {row['torch']:6.2f}" if torch else ""
            print(f"{name:8} {mib:5} MiB   {row['rumus']:6.2f} GB/s{beside}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
