"""How all GPU benchmarks take time, and how they find their peer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def per_call(
    call: Callable[[], object], wait: Callable[[], object], budget: float, rounds: int
) -> list[float]:
    """Seconds of a call, by the difference between 3 x N and N calls and one wait, once a round.

    Args:
        call: the work; it need not wait for the GPU.
        wait: waits for the GPU.
        budget: seconds of work that N calls make, with N from 1 to 300.
        rounds: results.
    """

    def timed(n: int) -> float:
        wait()
        start = time.perf_counter()
        for _ in range(n):
            call()
        wait()
        return time.perf_counter() - start

    timed(2)
    count = max(1, min(300, int(budget / max((timed(9) - timed(3)) / 6, 1e-6))))
    return [(timed(3 * count) - timed(count)) / (2 * count) for _ in range(rounds)]


def cuda_torch() -> Any:
    """PyTorch with a CUDA device and TF32 off, or None."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch
