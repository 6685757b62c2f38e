"""The attention kernels with several tiles: what ``attention_tiles.choose`` is fitted to.

python benchmarks/tune_attention.py [--case N] [--only KERNEL] [--steps 4,16] [--smoke]
"""

# /// script
# dependencies = []
# ///

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
from _timing import per_call

from rumus import gpu
from rumus._backends.contract.attention import AttentionRule
from rumus._backends.gpu import attention, get_gpu_backend
from rumus._backends.gpu.attention_tiles import Tile, padded
from rumus.gpu import GpuArray
from rumus.tensor import Tensor, tensor

CASES = (
    (8, 12, 1024, 64),
    (64, 6, 256, 64),
    (4, 12, 1024, 64),
    (8, 16, 1024, 128),
    (12, 4, 64, 32),
)
SMOKE_CASES = ((1, 2, 40, 32),)
CALLS = 4
PRODUCTS = {"forward": 2, "queries": 3, "keys": 4}


def captured(call: Callable[[], object]) -> float:
    """Median seconds of a call among others of a captured step."""

    def step(token: Tensor) -> None:
        for _ in range(CALLS):
            call()

    replay, token = gpu.capture(step), tensor(0.0, device="gpu")
    times = per_call(lambda: replay(token), gpu.synchronize, 2e-3, 5)
    return statistics.median(times) / CALLS


class Problem:
    """Causal attention of random numbers, and what its kernels write to."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        be, rng = get_gpu_backend(0), np.random.default_rng(0)
        arrays = [rng.standard_normal(shape, dtype=np.float32) for _ in range(4)]
        self.reads = [gpu.persist(be.from_host(array)) for array in arrays]
        self.rule = AttentionRule(shape[3] ** -0.5, True)
        q, k, v, grad = self.reads
        output, self.normalisers = attention.attention(q, k, v, None, None, self.rule)
        self.output = gpu.persist(output)
        gpu.persist(self.normalisers)
        self.statistics = gpu.persist(attention.statistics(grad, output, self.normalisers))
        both = gpu.persist(gpu.empty((2, *shape)))
        self.into = [
            GpuArray(both.storage, shape, q.strides, i * q.size, q.dtype) for i in range(2)
        ]
        self.flops = shape[0] * shape[1] * shape[2] ** 2 * shape[3]

    def make_statistics(self) -> GpuArray:
        """Run the kernel in front of the gradients."""
        return attention.statistics(self.reads[3], self.output, self.normalisers)

    def run(self, kernel: str, tile: Tile) -> None:
        """Run one of the others."""
        forward = kernel == "forward"
        reads = self.reads[:3] if forward else self.reads
        beside = [self.normalisers if forward else self.statistics]
        results = self.into if kernel == "keys" else self.into[:1]
        attention.run(kernel, reads, None, None, self.rule, beside, results, tile)


def sweep(problem: Problem, kernel: str, tiles: Sequence[Tile]) -> None:
    """Time the tiles and print them, the best first."""
    rows: list[Any] = []
    for tile in tiles:
        rows.append((captured(lambda t=tile: problem.run(kernel, t)), tile))
    for seconds, tile in sorted(rows):
        rate = PRODUCTS[kernel] * problem.flops / seconds * 1e-12
        print(
            f"  {kernel:8} {seconds * 1e6:9.1f} us {rate:6.1f} TFLOP/s  {tuple(tile)}", flush=True
        )


def main() -> None:
    """Time every tile that fits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a part of the kernels' names")
    parser.add_argument("--case", type=int, default=-1)
    parser.add_argument("--steps", default="4,16")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    steps = [int(n) for n in options.steps.split(",")]
    memory = gpu.limits()["max-compute-workgroup-storage-size"]
    for number, shape in enumerate(SMOKE_CASES if options.smoke else CASES):
        if options.case not in (-1, number):
            continue
        problem = Problem(shape)
        seconds = captured(problem.make_statistics)
        print(f"{shape}   statistics {seconds * 1e6:.1f} us", flush=True)
        tiles = [Tile(*parts) for parts in product((8, 16), (1, 2), (1, 2), (16,), steps)]
        fitting = [t for t in tiles if t.workgroup_bytes(padded(shape[3]), False) <= memory]
        for kernel in PRODUCTS:
            if options.only in kernel:
                sweep(problem, kernel, fitting)


if __name__ == "__main__":
    main()
