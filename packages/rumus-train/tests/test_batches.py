"""Batches of any structure in training steps."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from rumus import nn
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import SGD
from rumus.tensor import Tensor, manual_seed
from rumus.train import Trainer

ROWS = 32


class Pair(NamedTuple):
    x: Any
    y: Any


def arrays(kind: str) -> Any:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((ROWS, 4), dtype=np.float32)
    y = rng.standard_normal((ROWS, 2), dtype=np.float32)
    ids = np.array([f"sample {k} " + "x" * (k % 5) for k in range(ROWS)])
    return {
        "dict": {"x": x, "more": {"y": y}, "id": ids},
        "tuple": (x, [y, ids]),
        "named": Pair(x, (y, ids)),
        "without": x,
    }[kind]


def parts(batch: Any) -> tuple[Tensor, Tensor]:
    if isinstance(batch, dict):
        return batch["x"], batch["more"]["y"]
    if isinstance(batch, Pair):
        return batch.x, batch.y[0]
    if isinstance(batch, tuple):
        return batch[0], batch[1][0]
    return batch, batch[:, :2]


def steps(kind: str, device: str, capture: bool) -> tuple[bytes, int]:
    """The weights after three epochs, and how often Python ran the step."""
    manual_seed(0)
    model = nn.Linear(4, 2).to(device)
    trainer = Trainer(SGD(model.parameters(), lr=0.1, momentum=0.9), capture=capture)
    runs: Iterator[int] = itertools.count()

    def loss(batch: Any) -> Tensor:
        next(runs)
        x, y = parts(batch)
        return nn.mse_loss(model(x), y)

    data: ArrayDataset[Any] = ArrayDataset(arrays(kind))
    loader = DataLoader(data, batch_size=8, shuffle=True, device=device)
    for _ in range(3):
        for batch in loader:
            trainer.train_step(loss, batch)
    return b"".join(p.numpy().tobytes() for p in model.parameters()), next(runs)


@pytest.mark.parametrize("kind", ["dict", "tuple", "named", "without"])
def test_a_batch_of_any_structure_is_one_input_of_a_step(kind: str, device: str) -> None:
    weights, runs = steps(kind, device, capture=False)
    assert runs == 12
    captured, recorded = steps(kind, device, capture=True)
    assert captured == weights
    # ids that change with every batch select no recording; the first one may be given up, since the
    # optimizer moves the parameters
    assert recorded == 12 if device == "cpu" else recorded <= 2
