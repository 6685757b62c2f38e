"""Small computations that exercise each family of kernels, for a device and the CPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rumus import nn, tensor
from rumus.nn import functional
from rumus.optim import AdamW
from rumus.tensor import Tensor

Check = Callable[[str], Tensor]

_TOLERANCE = 1e-4


def _numbers(device: str, *shape: int) -> Tensor:
    """Numbers between -1 and 1, the same on all devices."""
    count = int(np.prod(shape))
    values = np.sin(np.arange(count, dtype=np.float64) * 0.7).astype(np.float32)
    return tensor.tensor(values.reshape(shape), device=device)


def _elementwise(device: str) -> Tensor:
    x = _numbers(device, 1000, 33)
    return (x.exp() * x.tanh() + x.abs().sqrt()).sigmoid()


def _reduce(device: str) -> Tensor:
    x = _numbers(device, 517, 300)
    return x.sum(0) + x.mean(0) + x.amax(0)


def _matmul(device: str) -> Tensor:
    return _numbers(device, 130, 257) @ _numbers(device, 257, 65)


def _softmax(device: str) -> Tensor:
    return (_numbers(device, 64, 1000) * 20.0).softmax(-1)


def _sort(device: str) -> Tensor:
    return tensor.sort(_numbers(device, 5, 3000))


def _scan(device: str) -> Tensor:
    return tensor.cumsum(_numbers(device, 3, 5000), 1)


def _index(device: str) -> Tensor:
    ids = tensor.tensor((np.arange(4000) * 7 % 50).astype(np.int32), device=device)
    return tensor.index_add(tensor.zeros((50, 8), device=device), 0, ids, _numbers(device, 4000, 8))


def _half(device: str) -> Tensor:
    return (_numbers(device, 999).to(tensor.float16) * 3).to(tensor.float32)


def _random(device: str) -> Tensor:
    tensor.manual_seed(5)
    return tensor.rand(1000, device=device)


def _train(device: str) -> Tensor:
    tensor.manual_seed(1)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.LayerNorm(32), nn.Linear(32, 5))
    model.to(device)
    optimizer = AdamW(model.parameters(), lr=1e-2)
    x, y = _numbers(device, 64, 20), tensor.tensor(np.arange(64, dtype=np.int32) % 5, device=device)
    for _ in range(5):
        optimizer.step(functional.cross_entropy(model(x), y).backward())
    return functional.cross_entropy(model(x), y)


CHECKS: dict[str, Check] = {
    "elementwise": _elementwise,
    "sums": _reduce,
    "matrix product": _matmul,
    "softmax": _softmax,
    "sorting": _sort,
    "running sums": _scan,
    "indexing": _index,
    "float16": _half,
    "random numbers": _random,
    "five training steps": _train,
}


def problem_of(check: Check, device: str) -> str:
    """What is wrong with a computation on a device; nothing if it agrees with the CPU."""
    found, expected = check(device).numpy(), check("cpu").numpy()
    error = float(np.max(np.abs(found - expected) / (1 + np.abs(expected))))
    return "" if error <= _TOLERANCE else f"differs from the CPU by {error:.2g}"
