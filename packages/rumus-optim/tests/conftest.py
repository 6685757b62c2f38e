"""Every optimizer in turn, and parameters with gradients on the device of a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from rumus import optim
from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.tensor import tensor

MAKERS: dict[str, Callable[..., optim.Optimizer]] = {
    "SGD": lambda p, **o: optim.SGD(p, 0.05, **o),
    "SGD with momentum": lambda p, **o: optim.SGD(p, 0.05, 0.9, nesterov=True, **o),
    "Adam": lambda p, **o: optim.Adam(p, 0.01, amsgrad=True, weight_decay=0.1, **o),
    "AdamW": lambda p, **o: optim.AdamW(p, 0.01, **o),
    "RMSprop": lambda p, **o: optim.RMSprop(p, 0.01, momentum=0.9, centered=True, **o),
    "Adagrad": lambda p, **o: optim.Adagrad(p, 0.05, lr_decay=0.1, **o),
    "Lion": lambda p, **o: optim.Lion(p, 0.01, weight_decay=0.1, **o),
    "LAMB": lambda p, **o: optim.LAMB(p, 0.01, **o),
    "Adafactor": lambda p, **o: optim.Adafactor(p, 0.05, **o),
    "NAdam": lambda p, **o: optim.NAdam(p, 0.01, weight_decay=0.1, **o),
    "RAdam": lambda p, **o: optim.RAdam(p, 0.01, (0.9, 0.9), weight_decay=0.1, **o),
    "Adamax": lambda p, **o: optim.Adamax(p, 0.01, weight_decay=0.1, **o),
    "Adadelta": lambda p, **o: optim.Adadelta(p, 0.5, weight_decay=0.1, **o),
    "ASGD": lambda p, **o: optim.ASGD(p, 0.05, 0.1, t0=2, **o),
    "Rprop": lambda p, **o: optim.Rprop(p, 0.01, **o),
    "LARS": lambda p, **o: optim.LARS(p, 5.0, weight_decay=0.1, **o),
    "Muon": lambda p, **o: optim.Muon(p, 0.02, **o),
}


@dataclass
class Batch:
    """Parameters on a device, and gradients for them from a seed."""

    params: list[Parameter]
    device: str

    def store(self, seed: int, scale: float = 1.0) -> GradientStore:
        """Normal gradients in memory of their own."""
        rng = np.random.default_rng(seed)
        store = GradientStore()
        for p in self.params:
            values = (rng.standard_normal(p.shape) * scale).astype(p.dtype)
            store.accumulate(p.id, tensor(values).to(self.device))
        return store

    def values(self) -> list[np.ndarray[Any, Any]]:
        """The parameters on the host."""
        return [p.numpy() for p in self.params]


MakeBatch = Callable[..., Batch]


@pytest.fixture(params=MAKERS)
def make_optimizer(request: pytest.FixtureRequest) -> Callable[..., optim.Optimizer]:
    """A factory ``(params, maximize=…, skip_nonfinite=…)`` of each optimizer."""
    return MAKERS[request.param]


@pytest.fixture
def make_batch(device: str) -> MakeBatch:
    """A factory of matrices (which all optimizers take) on the device of the test."""

    def make(
        shapes: Sequence[tuple[int, ...]] = ((3, 5), (64, 40), (7, 1)),
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> Batch:
        rng = np.random.default_rng(seed)
        starts = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
        named = [
            Parameter(tensor(start).to(device), name=f"w{i}") for i, start in enumerate(starts)
        ]
        return Batch(named, device)

    return make
