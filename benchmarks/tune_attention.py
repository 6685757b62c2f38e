"""The attention kernels with several tiles: what ``attention_tiles`` is fitted to.

python benchmarks/tune_attention.py [--case N] [--only PASS] [--steps 4,16] [--smoke]
"""

# /// script
# dependencies = []
# ///

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
from _timing import per_call

from rumus import gpu
from rumus._backends.contract.attention import AttentionRule
from rumus._backends.gpu import attention, attention_blocks, get_gpu_backend
from rumus._backends.gpu.attention_tiles import Blocking, Tile, padded
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
EDGES = ((8, 2, 2), (16, 1, 2), (8, 1, 1))
"""Rows of invocations and chunks of square tiles."""
BYTES = (1 << 26, 1 << 27, 1 << 28, 1 << 29)
"""What weights and slopes may take at a time."""
PRODUCTS = {"forward": 2, "blocks": 2, "backward": 5}


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
        whole = gpu.persist(gpu.empty((3, *shape)))
        self.into = [
            GpuArray(whole.storage, shape, q.strides, i * q.size, q.dtype) for i in range(3)
        ]
        self.flops = shape[0] * shape[1] * shape[2] ** 2 * shape[3]

    def make_statistics(self) -> GpuArray:
        """Run the kernel in front of the gradients."""
        return attention.statistics(self.reads[3], self.output, self.normalisers)

    def forward(self, tile: Tile) -> None:
        """Run it, into the place of a gradient."""
        rest = None, None, self.rule, self.normalisers, self.into[0]
        attention.run_forward(self.reads[:3], *rest, tile)

    def blocks(self, tile: Blocking, most_bytes: int) -> None:
        """The same by weights in memory."""
        rest = None, None, self.rule, self.normalisers, self.into[0]
        attention_blocks.forward_by_blocks(self.reads[:3], *rest, tile, most_bytes)

    def backward(self, tile: Blocking, most_bytes: int) -> None:
        """Run what follows the statistics."""
        rest = None, None, self.rule, self.statistics, self.into
        attention_blocks.backward_by_blocks(self.reads, *rest, tile, most_bytes)


def report(problem: Problem, name: str, call: Callable[[], None], what: object) -> None:
    """Time a pass and print it, and its kernels alone."""
    seconds = captured(call)
    rate = PRODUCTS[name] * problem.flops / seconds * 1e-12
    call()
    with gpu.kernel_times() as times:
        call()
    parts: dict[str, float] = {}
    for time in times:
        parts[time.name] = parts.get(time.name, 0.0) + time.seconds
    cells = "  ".join(f"{kernel} {1e6 * alone:.1f}" for kernel, alone in parts.items())
    print(f"  {name:8} {seconds * 1e6:9.1f} us {rate:6.1f} TFLOP/s  {what}  {cells}", flush=True)


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
        size = padded(shape[3])
        if options.only in "forward":
            for parts in product((8, 16), (1, 2), (1, 2), (16,), steps):
                tile = Tile(*parts)
                if tile.workgroup_bytes(size) <= memory:
                    report(problem, "forward", partial(problem.forward, tile), tuple(tile))
        for name in ("blocks", "backward"):
            if options.only not in name:
                continue
            for edge, depth, step, buffers in product(EDGES, (16, 8), steps, (2, 1)):
                maker = Tile(*edge, depth, min(step, depth), buffers)
                rows = maker.columns // (4 * maker.ty)
                blocking = Blocking(
                    maker.columns, maker, maker._replace(row_chunks=rows, column_chunks=2)
                )
                for most in BYTES if maker == Tile(8, 2, 2, 16, 16, 2) else BYTES[2:3]:
                    call = partial(getattr(problem, name), blocking, most)
                    report(problem, name, call, (*maker, f"{most >> 20} MiB"))


if __name__ == "__main__":
    main()
