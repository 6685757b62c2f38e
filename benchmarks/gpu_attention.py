"""Scaled dot-product attention on the GPU against PyTorch's, float32 with TF32 off.

Forward, and forward with backward, captured and in a CUDA graph. Results and gradients are checked
against numpy in float64 (the first heads of each case) before anything is timed.

    python benchmarks/gpu_attention.py [--json PATH] [--smoke]
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
from typing import Any, NamedTuple

import numpy as np
from _timing import cuda_torch, per_call

from rumus import gpu
from rumus._backends.contract.attention import AttentionRule
from rumus._backends.gpu import get_gpu_backend
from rumus.gpu import GpuArray
from rumus.tensor import Tensor, tensor

Array = np.ndarray[Any, Any]


class Case(NamedTuple):
    """(batch, heads, length, size)."""

    batch: int
    heads: int
    length: int
    size: int
    causal: bool = True

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of queries, keys and values."""
        return self.batch, self.heads, self.length, self.size

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape))}{' causal' if self.causal else ''}"


CASES = (
    Case(8, 12, 1024, 64),
    Case(8, 12, 1024, 64, False),
    Case(4, 12, 1024, 64),
    Case(64, 6, 256, 64),
    Case(12, 4, 64, 32),
    Case(8, 16, 1024, 128),
    Case(8, 12, 1000, 80),
    Case(1, 8, 8192, 64),
)
SMOKE_CASES = (Case(1, 2, 40, 32), Case(2, 1, 33, 20, False))
CALLS = 4


def expected(q: Array, k: Array, v: Array, grad: Array, causal: bool) -> list[Array]:
    """The result and the three gradients of one head, in float64."""
    q, k, v, grad = (a.astype(np.float64) for a in (q, k, v, grad))
    scale = q.shape[-1] ** -0.5
    scores = q @ k.T * scale
    if causal:
        scores[np.triu(np.ones(scores.shape, bool), 1)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    slope = grad @ v.T
    slope = weights * (slope - (slope * weights).sum(-1, keepdims=True)) * scale
    return [weights @ v, slope @ k, slope.T @ q, weights.T @ grad]


def seconds(call: Callable[[], object], wait: Callable[[], object]) -> float:
    """Median seconds of a call."""
    return statistics.median(per_call(call, wait, 5e-3, 5))


def ours(case: Case, given: list[Array]) -> dict[str, float]:
    """Seconds, and the largest error of the first heads."""
    be = get_gpu_backend(0)
    q, k, v, grad = (gpu.persist(be.from_host(a)) for a in given)
    rule = AttentionRule(case.size**-0.5, case.causal)

    def forward() -> tuple[GpuArray, GpuArray]:
        return be.attention(q, k, v, None, None, rule)

    def both() -> list[GpuArray]:
        output, normalisers = forward()
        grads = be.attention_backward(grad, q, k, v, None, None, output, normalisers, rule)
        return [output, *grads]

    got = [be.to_host(be.contiguous(array)) for array in both()]
    worst = 0.0
    for head in range(min(2, case.heads)):
        parts = [a[0, head] for a in given]
        exact = expected(*parts, case.causal)
        for array, right in zip(got, exact, strict=True):
            worst = max(worst, float(np.abs(array[0, head] - right).max() / np.abs(right).max()))
    row = {"error": worst}
    token = tensor(0.0, device="gpu")
    for name, call in (("forward", forward), ("both", both)):

        def step(_: Tensor, call: Callable[[], object] = call) -> None:
            for _ in range(CALLS):
                call()

        replay = gpu.capture(step)
        row[name] = seconds(lambda r=replay: r(token), gpu.synchronize) / CALLS
    return row


def theirs(torch: Any, case: Case, given: list[Array]) -> dict[str, float]:
    """PyTorch's seconds, in a CUDA graph."""
    q, k, v = (torch.from_numpy(a).cuda().requires_grad_() for a in given[:3])
    grad = torch.from_numpy(given[3]).cuda()
    attend = torch.nn.functional.scaled_dot_product_attention

    def forward() -> None:
        with torch.no_grad():
            attend(q, k, v, is_causal=case.causal)

    def both() -> None:
        torch.autograd.grad(attend(q, k, v, is_causal=case.causal), (q, k, v), grad)

    row = {}
    for name, call in (("forward", forward), ("both", both)):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(2):
                call()
        torch.cuda.synchronize()
        recorded = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recorded):
            for _ in range(CALLS):
                call()
        row[name] = seconds(recorded.replay, torch.cuda.synchronize) / CALLS
    return row


def main() -> None:
    """Measure, print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that it runs")
    options = parser.parse_args()
    torch = cuda_torch()
    print("PyTorch:", "none with CUDA" if torch is None else torch.__version__)
    rng = np.random.default_rng(0)
    rows = {}
    for case in SMOKE_CASES if options.smoke else CASES:
        given = [rng.standard_normal(case.shape, dtype=np.float32) for _ in range(4)]
        row = rows[str(case)] = {"rumus": ours(case, given)}
        if torch is not None:
            row["PyTorch"] = theirs(torch, case, given)
        cells = []
        for name in ("forward", "both"):
            mine = row["rumus"][name]
            cells.append(f"{name} {1e3 * mine:8.3f} ms")
            if torch is not None:
                peer = row["PyTorch"][name]
                cells.append(f"PyTorch {1e3 * peer:8.3f} ms, {peer / mine:5.2f} x")
        print(f"{case!s:28} error {row['rumus']['error']:.1e}   " + "   ".join(cells), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"seconds": rows, "gpu": gpu.info()}, indent=1))


if __name__ == "__main__":
    main()
