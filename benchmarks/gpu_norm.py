"""Normalisation on the GPU against PyTorch: batch, group, instance, layer and RMS norm.

float32. Every result is checked against numpy in float64, then forward and backward (for input,
weight and bias) are timed, captured, against a CUDA graph; times are the median of differences
between 3 x N and N repetitions around a synchronisation. Beside them stands what the algorithm
moves, as a part of what a copy of the same array moves in the same run:

- channels, forward: x is read for the statistics and for the result, which is written (12 bytes an
  element); backward: x and g are read for the sums and for the result (20).
- rows, forward: x is read once where it fits the registers (8); backward: x and g are read for x's
  gradient, and for those of weight and bias (20).

    python benchmarks/gpu_norm.py [--json PATH] [--smoke]
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

from rumus import gpu, nn
from rumus.tensor import Tensor, tensor

ROUNDS, TARGET, MOST_CALLS = 5, 4e-3, 20


class Case(NamedTuple):
    """A layer's name, its arguments, the input's shape, and the bytes an element moves."""

    layer: str
    args: tuple[Any, ...]
    shape: tuple[int, ...]
    moves: tuple[int, int]


CHANNELS, ROWS = (12, 20), (8, 20)
CASES = (
    Case("BatchNorm2d", (64,), (64, 64, 56, 56), CHANNELS),
    Case("BatchNorm2d", (256,), (128, 256, 28, 28), CHANNELS),
    Case("BatchNorm2d", (512,), (256, 512, 14, 14), CHANNELS),
    Case("BatchNorm2d", (2048,), (128, 2048, 7, 7), CHANNELS),
    Case("BatchNorm1d", (1024,), (65536, 1024), CHANNELS),
    Case("GroupNorm", (32, 256), (64, 256, 56, 56), CHANNELS),
    Case("InstanceNorm2d", (64,), (64, 64, 112, 112), CHANNELS),
    Case("RMSNorm", (1024,), (65536, 1024), ROWS),
    Case("RMSNorm", (4096,), (16384, 4096), ROWS),
    Case("LayerNorm", (1024,), (65536, 1024), ROWS),
    Case("BatchNorm2d", (64,), (64, 64, 16, 16), CHANNELS),
)
SMOKE = (
    Case("BatchNorm2d", (6,), (4, 6, 5, 5), CHANNELS),
    Case("BatchNorm1d", (6,), (40, 6), CHANNELS),
    Case("GroupNorm", (2, 6), (4, 6, 4, 4), CHANNELS),
    Case("InstanceNorm2d", (6,), (4, 6, 5, 5), CHANNELS),
    Case("RMSNorm", (12,), (4, 12), ROWS),
    Case("LayerNorm", (12,), (4, 12), ROWS),
)


def seconds(call: Callable[[], object], wait: Callable[[], object]) -> float:
    """Median seconds of a call."""
    return statistics.median(per_call(call, wait, TARGET, ROUNDS))


def captured(step: Callable[[], object], calls: int) -> float:
    """Seconds of a step among others of one recording, whose arguments are not worth a copy."""

    def several(_: Tensor) -> None:
        for _ in range(calls):
            step()

    replay, token = gpu.capture(several), tensor(0.0, device="gpu")
    return seconds(lambda: replay(token), gpu.synchronize) / calls


def graph(torch: Any, call: Callable[[], object], calls: int) -> float:
    """Seconds of the peer's call in a CUDA graph."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        call()
    torch.cuda.synchronize()
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        for _ in range(calls):
            call()
    return seconds(recorded.replay, torch.cuda.synchronize) / calls


def ours(case: Case) -> nn.Layer:
    """The layer on the GPU."""
    made = getattr(nn, case.layer)(*case.args)
    assert isinstance(made, nn.Layer)
    return made.to_gpu()


def theirs(torch: Any, case: Case, shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any, Any]:
    """Forward and forward with backward of the peer, and its layer."""
    layer = getattr(torch.nn, case.layer)(*case.args).to("cuda", dtype)
    x = torch.randn(shape, device="cuda", dtype=dtype, requires_grad=True)
    g = torch.randn(shape, device="cuda", dtype=dtype)
    inputs = [x, *layer.parameters()]

    def forward() -> Any:
        return layer(x)

    def both() -> Any:
        return torch.autograd.grad(layer(x), inputs, g)

    return forward, both, layer


def copied(elements: int, calls: int) -> float:
    """Seconds a copy of so many float32 takes."""
    line = nn.Parameter(tensor(np.ones(elements, np.float32), device="gpu"), requires_grad=False)
    return captured(lambda: line * 1.0, calls)


def run(case: Case, torch: Any) -> dict[str, Any]:
    """Time one case."""
    rng = np.random.default_rng(0)
    x = tensor(rng.standard_normal(case.shape, dtype=np.float32) + 0.5, device="gpu")
    g = tensor(rng.standard_normal(case.shape, dtype=np.float32), device="gpu")
    layer = ours(case)
    error = check(case, x, g, layer)
    size = x.size
    calls = max(2, min(MOST_CALLS, int(2e-3 / (20 * size / 4e12))))

    given, variable = nn.Parameter(x, requires_grad=False), nn.Parameter(x)
    grad = nn.Parameter(g, requires_grad=False)

    def forward() -> None:
        layer(given)

    def both() -> None:
        layer(variable).backward(grad)

    copy = copied(size, calls)
    first = captured(forward, calls)
    second = captured(both, calls) - first
    row: dict[str, Any] = {
        "layer": case.layer, "shape": case.shape, "error": error, "copy": copy,
        "forward": first, "backward": second,
        "forward_of_copy": copy / 8 * case.moves[0] / first,
        "backward_of_copy": copy / 8 * case.moves[1] / second,
    }  # fmt: skip
    if torch is not None:
        there, there_both, _ = theirs(torch, case, case.shape, torch.float32)
        row["torch_forward"] = graph(torch, there, calls)
        row["torch_backward"] = graph(torch, there_both, calls) - row["torch_forward"]
    return row


def check(case: Case, x: Tensor, g: Tensor, layer: nn.Layer) -> float:
    """The largest error of the result and of x's gradient against numpy in float64."""
    shape = case.shape
    wide, grad = x.numpy().astype(np.float64), g.numpy().astype(np.float64)
    variable = nn.Parameter(x)
    y = layer(variable)
    into = y.backward(g).get(variable.id)
    assert into is not None
    if case.layer in ("RMSNorm", "LayerNorm"):
        rows, axes = wide, (-1,)
    elif case.layer == "GroupNorm":
        rows, axes = wide.reshape(shape[0], case.args[0], -1), (-1,)
    elif case.layer.startswith("Batch"):
        rows, axes = wide, (0, *range(2, len(shape)))
    else:
        rows, axes = wide, tuple(range(2, len(shape)))
    mean = 0.0 if case.layer == "RMSNorm" else rows.mean(axes, keepdims=True)
    eps = np.finfo(np.float32).eps if case.layer == "RMSNorm" else 1e-5
    scale = 1 / np.sqrt(((rows - mean) ** 2).mean(axes, keepdims=True) + eps)
    n = (rows - mean) * scale
    gg = grad.reshape(rows.shape)
    middle = 0.0 if case.layer == "RMSNorm" else gg.mean(axes, keepdims=True)
    dx = scale * (gg - middle - n * (gg * n).mean(axes, keepdims=True))
    worst = max(
        float(np.abs(y.numpy().reshape(rows.shape) - n).max()),
        float(np.abs(into.numpy().reshape(rows.shape) - dx).max()),
    )
    if worst > 1e-3:
        raise SystemExit(f"{case.layer} of {shape} is off by {worst}")
    return worst


def main() -> None:
    """Run all cases and print a table."""
    parser = argparse.ArgumentParser(description="normalisation on the GPU against PyTorch")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    torch = cuda_torch()
    print("PyTorch:", "none with CUDA" if torch is None else torch.__version__)
    print(
        f"{'':34}{'forward':>11}{'of copy':>8}{'graph':>8}"
        f"{'backward':>12}{'of copy':>8}{'graph':>8}"
    )
    rows = []
    for case in SMOKE if options.smoke else CASES:
        row = run(case, torch)
        rows.append(row)
        name = f"{case.layer} {'x'.join(map(str, case.shape))}"
        line = f"{name:34}{row['forward'] * 1e3:8.3f} ms{row['forward_of_copy']:8.2f}"
        line += f"{row.get('torch_forward', float('nan')) * 1e3:8.3f}"
        line += f"{row['backward'] * 1e3:9.3f} ms{row['backward_of_copy']:8.2f}"
        line += f"{row.get('torch_backward', float('nan')) * 1e3:8.3f}"
        print(line, flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
