"""Steps over shards: any number of ranks gives the weights of one, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from rumus import nn, optim, tensor
from rumus.data import ArrayDataset, DataLoader
from rumus.train import Alone, Group, Trainer

SHARDS = 8
SIZES = (1, 2, 3, 4, 5, 8)
RNG = np.random.default_rng(5)
X = RNG.normal(size=(70, 12)).astype(np.float32)
Y = RNG.normal(size=(70, 3)).astype(np.float32)
Ranks = Callable[[int, Callable[[Group], Any]], list[Any]]


def digest(model: nn.Module) -> str:
    state = model.state_dict().values()
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in state)).hexdigest()


def mlp(device: str = "cpu") -> nn.Module:
    tensor.manual_seed(3)
    return nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 3)).to(device)


def loader(**options: Any) -> DataLoader:
    return DataLoader(ArrayDataset(X, Y), 21, shuffle=True, seed=2, **options)


def fitted(
    group: Group,
    optimizer: Callable[..., Any] = lambda p: optim.AdamW(p, 0.01),
    model: Callable[[], nn.Module] = mlp,
    **options: Any,
) -> str:
    net = model()
    trainer = Trainer(optimizer(net.named_parameters()), group=group, shards=SHARDS)
    run = trainer.fit(net, loader(), nn.mse_loss, **{"epochs": 2, **options})
    assert run.progress.samples == 70 * run.progress.epoch
    return digest(net) + repr(run.metrics)


def same(ranks: Ranks, body: Callable[[Group], Any], sizes: tuple[int, ...] = SIZES) -> Any:
    """What one rank has, which all of any number have."""
    one = body(Alone())
    for size in sizes:
        assert ranks(size, body) == [one] * size, f"{size} ranks"
    return one


def test_any_number_of_ranks_has_the_weights_of_one(ranks: Ranks) -> None:
    assert same(ranks, fitted) != fitted(Alone(), lambda p: optim.AdamW(p, 0.02))
