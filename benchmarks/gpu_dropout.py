"""Dropout and its neighbours on the GPU against PyTorch, float32, captured against a CUDA graph.

Before anything is timed, a captured step's bits are compared with those of its operations called
one by one. `of copy` is what one kernel has to move (inputs and result once), as a part of what a
copy of the same array moves in the same run.

    python benchmarks/gpu_dropout.py [--json PATH] [--smoke]
"""

# /// script
# dependencies = ["torch==2.13.0"]
# ///

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _timing import cuda_torch
from gpu_norm import captured, copied, graph

from rumus import gpu, nn
from rumus.nn import functional
from rumus.tensor import Tensor, manual_seed, tensor

P, CALLS = 0.1, 10


class Case(NamedTuple):
    """A step of x, a residual and a weight, here and there, and the arrays it moves each way."""

    ours: Callable[[Tensor, Tensor, Tensor], Tensor]
    theirs: Callable[[Any, Any, Any, Any], Any]
    moves: tuple[int, int]


CASES = {
    "dropout": Case(
        lambda x, r, w: functional.dropout(x, P), lambda t, x, r, w: t.dropout(x, P), (2, 2)
    ),
    "residual + dropout": Case(
        lambda x, r, w: r + functional.dropout(x, P), lambda t, x, r, w: r + t.dropout(x, P), (3, 2)
    ),
    "GELU, dropout": Case(
        lambda x, r, w: functional.dropout(x.gelu(), P),
        lambda t, x, r, w: t.dropout(t.gelu(x), P),
        (2, 3),
    ),
    "ReLU, dropout": Case(
        lambda x, r, w: functional.dropout(x.relu(), P),
        lambda t, x, r, w: t.dropout(t.relu(x), P),
        (3, 3),
    ),
    "residual + dropout of a product": Case(
        lambda x, r, w: r + functional.dropout(x @ w, P),
        lambda t, x, r, w: r + t.dropout(x @ w, P),
        (3, 2),
    ),
}


def same_bits(case: Case, *given: Tensor) -> bool:
    """Whether the captured step gives what its operations give one by one."""
    manual_seed(1)
    plain = case.ours(*given).numpy().tobytes()
    manual_seed(1)
    return bool(gpu.capture(case.ours)(*given).numpy().tobytes() == plain)


def run(case: Case, rows: int, width: int, torch: Any) -> dict[str, Any]:
    """Time one case."""
    rng = np.random.default_rng(0)
    shapes = (rows, width), (rows, width), (width, width)
    hosts = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
    x, r, w = (nn.Parameter(tensor(h, device="gpu"), requires_grad=False) for h in hosts)
    row: dict[str, Any] = {"same": same_bits(case, x, r, w)}
    variable = nn.Parameter(x)
    copy = copied(x.size, CALLS)
    forward = captured(lambda: case.ours(x, r, w), CALLS)
    backward = captured(lambda: case.ours(variable, r, w).backward(r), CALLS) - forward
    row |= {"copy": copy, "forward": forward, "backward": backward}
    row["of_copy"] = [
        copy / 2 * m / s for m, s in zip(case.moves, (forward, backward), strict=True)
    ]
    if torch is not None:
        theirs = [torch.from_numpy(h).cuda() for h in hosts]
        leaf = theirs[0].clone().requires_grad_()
        functions = torch.nn.functional
        functions_with = lambda first: case.theirs(functions, first, *theirs[1:])  # noqa: E731
        row["torch_forward"] = graph(torch, lambda: functions_with(theirs[0]), CALLS)
        both = graph(
            torch, lambda: torch.autograd.grad(functions_with(leaf), leaf, theirs[1]), CALLS
        )
        row["torch_backward"] = both - row["torch_forward"]
    return row


def main() -> None:
    """Run all cases and print a table."""
    parser = argparse.ArgumentParser(description="dropout on the GPU against PyTorch")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    torch = cuda_torch()
    print("PyTorch:", "none with CUDA" if torch is None else torch.__version__)
    titles = f"{'forward':>9}{'of copy':>9}{'graph':>9}{'backward':>10}{'of copy':>9}{'graph':>9}"
    print(f"{'us':34}{titles}")
    rows = {}
    for name, case in CASES.items():
        row = rows[name] = run(case, *((6, 8) if options.smoke else (16384, 1024)), torch)
        nan = float("nan")
        line = f"{name:34}{row['forward'] * 1e6:9.1f}{row['of_copy'][0]:9.2f}"
        line += f"{row.get('torch_forward', nan) * 1e6:9.1f}{row['backward'] * 1e6:10.1f}"
        line += f"{row['of_copy'][1]:9.2f}{row.get('torch_backward', nan) * 1e6:9.1f}"
        print(line + ("" if row["same"] else "   other bits than one by one"), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
