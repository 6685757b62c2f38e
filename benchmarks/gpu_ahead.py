"""Resident memory over many captured steps that nobody reads, and how late their end comes.

A transformer's layers as matrix products, wide enough that the GPU is slower than the processor:
without a bound, every step of them waits in host memory. Uploads that nothing computes on, too.

    python benchmarks/gpu_ahead.py [--json PATH] [--smoke]
"""

# /// script
# dependencies = ["psutil"]
# ///

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import psutil

from rumus import gpu, nn
from rumus.optim import AdamW
from rumus.tensor import Tensor, randn, tensor

LAYERS = 24
MOST_GROWTH = 64
"""MiB."""


def resident() -> float:
    """MiB of this process."""
    return float(psutil.Process().memory_info().rss) / (1 << 20)


def main() -> None:
    """Measure, print and write JSON; fail if memory grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="few repetitions, to try the script")
    options = parser.parse_args()
    steps, uploads, width = (60, 100, 64) if options.smoke else (10_000, 5_000, 1024)

    layers = [part for _ in range(LAYERS) for part in (nn.Linear(width, width), nn.GELU())]
    model = nn.Sequential(*layers).to("gpu")
    optimizer = AdamW(model.parameters(), lr=1e-4)

    @gpu.capture
    def step(x: Tensor) -> Tensor:
        loss = (model(x) ** 2).mean()
        optimizer.step(loss.backward())
        return loss

    x = randn((2 * width, width), device="gpu")
    for _ in range(steps // 20):
        step(x)
    grown: dict[str, float] = {}
    before, start = resident(), time.perf_counter()
    most = before
    for number in range(steps):
        loss = step(x)
        if number % 100 == 0:
            most = max(most, resident())
    recorded = time.perf_counter()
    loss.item()
    done = time.perf_counter()
    grown["steps"] = most - before
    each, late = (done - start) / steps * 1e3, (done - recorded) * 1e3
    print(f"{steps} steps of {each:.3f} ms: {grown['steps']:.1f} MiB more")
    print(f"the last loss came {late:.1f} ms after the last call")

    data = np.zeros((2, 200, 1024), np.float32)
    for _ in range(uploads // 20):
        tensor(data, device="gpu")
    before = most = resident()
    for number in range(uploads):
        tensor(data, device="gpu")
        if number % 100 == 0:
            most = max(most, resident())
    grown["uploads"] = most - before
    print(f"{uploads} uploads of {data.nbytes / 1e6:.1f} MB: {grown['uploads']:.1f} MiB more")
    gpu.synchronize()
    if options.json:
        options.json.write_text(json.dumps({"MiB": grown, "gpu": gpu.info()}, indent=1))
    if max(grown.values()) > MOST_GROWTH:
        raise SystemExit(f"resident memory grew by more than {MOST_GROWTH} MiB: {grown}")


if __name__ == "__main__":
    main()
